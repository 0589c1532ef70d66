import java.util.Arrays;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.TreeMap;
import org.json.JSONArray;
import org.json.JSONObject;

/** Makes values comparable as text: bytes in hexadecimal, the keys of objects in order. */
final class Text {
  private Text() {}

  static String write(Object value) {
    if (value instanceof byte[] bytes) return "\"bytes " + hex(bytes) + "\"";
    if (value instanceof Object[] list) return write(Arrays.asList(list));
    if (value instanceof JSONArray list) {
      Object[] items = new Object[list.length()];
      for (int index = 0; index < items.length; index++) items[index] = list.opt(index);
      return write(items);
    }
    if (value instanceof List<?> list) {
      return "[" + String.join(",", list.stream().map(Text::write).toList()) + "]";
    }
    if (value instanceof JSONObject object) {
      TreeMap<String, String> pairs = new TreeMap<>();
      for (Iterator<String> keys = object.keys(); keys.hasNext(); ) {
        String key = keys.next();
        pairs.put(key, JSONObject.quote(key) + ":" + write(object.opt(key)));
      }
      return "{" + String.join(",", pairs.values()) + "}";
    }
    if (value instanceof String text) return JSONObject.quote(text);
    return String.valueOf(value);
  }

  static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  /** Throws if two values differ. */
  static void same(Object found, Object wanted) {
    if (!write(found).equals(write(wanted))) {
      throw new IllegalStateException(write(found) + ", not " + write(wanted));
    }
  }
}
