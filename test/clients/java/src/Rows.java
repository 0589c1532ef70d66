import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Socket;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import org.json.JSONArray;
import org.json.JSONObject;

/** The rows: what each means is in ../../README.md. */
final class Rows {
  private Rows() {}

  /** Runs a row; returns the client's word for the end of the connection, or null. */
  interface Row {
    String run(Link link) throws Exception;
  }

  private static final long ASK_AGAIN_MS = 100;

  static Map<String, Row> all() {
    Map<String, Row> rows = new LinkedHashMap<>();
    rows.put("websocket", link -> transport(link, "websocket"));
    rows.put("polling", link -> transport(link, "polling"));
    rows.put("upgrade", Rows::upgrade);
    rows.put("auth", Rows::auth);
    rows.put("ack-to-server", Rows::ackToServer);
    rows.put("ack-to-client", Rows::ackToClient);
    rows.put("binary-to-server", link -> sendsBytes(link.connect()));
    rows.put("binary-to-client", link -> receivesBytes(link.connect()));
    rows.put("binary-polling", Rows::binaryPolling);
    rows.put("rooms", link -> talks(link, new JSONObject(
        "{\"text\":\"tëxt 😀\",\"number\":42,\"list\":[true,null,{\"x\":\"y\"}]}")));
    rows.put("rooms-binary", link -> talks(link, new JSONObject()
        .put("bytes", up()).put("nested", new JSONArray().put(down()))));
    rows.put("namespace", Rows::namespace);
    rows.put("namespace-refused", Rows::namespaceRefused);
    rows.put("server-disconnect", Rows::serverDisconnect);
    rows.put("client-disconnect", Rows::clientDisconnect);
    rows.put("reconnect-after-close", link -> comesBack(link, "close-me"));
    rows.put("reconnect-after-cut", link -> comesBack(link, "cut-me"));
    return rows;
  }

  private static byte[] up() {
    byte[] bytes = new byte[256];
    for (int index = 0; index < bytes.length; index++) bytes[index] = (byte) index;
    return bytes;
  }

  private static byte[] down() {
    byte[] bytes = new byte[256];
    for (int index = 0; index < bytes.length; index++) bytes[index] = (byte) (255 - index);
    return bytes;
  }

  private static JSONObject nested(byte[] bytes) throws Exception {
    return new JSONObject().put("nested", new JSONObject().put("list", new JSONArray().put(bytes)));
  }

  private static String transport(Link link, String name) throws Exception {
    Text.same(Link.ask(link.connect(name), "transport"), new Object[] {name, name});
    return null;
  }

  private static String upgrade(Link link) throws Exception {
    Socket socket = link.connect();
    long end = System.nanoTime() + Link.ROW_SECONDS * 1_000_000_000;
    for (;;) {
      Object[] found = Link.ask(socket, "transport");
      boolean upgraded = "websocket".equals(found[1]);
      if (upgraded || System.nanoTime() > end) {
        Text.same(found, new Object[] {"polling", "websocket"});
        return null;
      }
      Thread.sleep(ASK_AGAIN_MS); // the gateway limits events per second
    }
  }

  private static void isRefused(Socket socket, String message, Object code) throws Exception {
    BlockingQueue<Object[]> refused = Link.listen(socket, Socket.EVENT_CONNECT_ERROR);
    socket.connect();
    Object error = Link.wait(refused, "connect_error")[0];
    if (!(error instanceof JSONObject object)) throw new IllegalStateException("got " + error);
    JSONObject data = object.optJSONObject("data");
    Object found = data == null ? null : data.opt("code");
    Text.same(new Object[] {object.opt("message"), found}, new Object[] {message, code});
  }

  private static String auth(Link link) throws Exception {
    IO.Options none = link.options();
    none.auth = Map.of();
    isRefused(link.open("", none), "A token is required", "AUTH_REQUIRED");
    IO.Options wrong = link.options();
    wrong.auth = Map.of("token", "wrong");
    isRefused(link.open("", wrong), "The token is not valid here", "AUTH_INVALID");
    return null;
  }

  private static String ackToServer(Link link) throws Exception {
    JSONObject object = new JSONObject("{\"list\":[1,[\"two\"]],\"deep\":{\"er\":\"x\"}}");
    Object[] values = {"tëxt 😀", 42, -0.5, true, JSONObject.NULL, object};
    Text.same(Link.ask(link.connect(), "echo", values), values);
    return null;
  }

  private static String ackToClient(Link link) throws Exception {
    Socket socket = link.connect();
    socket.on("question", values ->
        ((Ack) values[1]).call(new JSONObject(Map.of("answer", values[0]))));
    Object[] wanted = {new JSONObject(Map.of("answer", "why?"))};
    Text.same(Link.ask(socket, "ask", "why?"), wanted);
    return null;
  }

  private static String sendsBytes(Socket socket) throws Exception {
    JSONArray wanted = new JSONArray().put(Text.hex(up())).put(Text.hex(down()));
    Text.same(Link.ask(socket, "hex", up(), nested(down())), new Object[] {wanted});
    return null;
  }

  private static String receivesBytes(Socket socket) throws Exception {
    BlockingQueue<Object[]> came = Link.listen(socket, "bytes");
    Object[] acked = Link.ask(socket, "bytes");
    Object[] wanted = {up(), nested(down())};
    Text.same(Link.wait(came, "bytes"), wanted);
    Text.same(acked, wanted);
    return null;
  }

  private static String binaryPolling(Link link) throws Exception {
    Socket socket = link.connect("polling");
    sendsBytes(socket);
    return receivesBytes(socket);
  }

  private static String talks(Link link, JSONObject payload) throws Exception {
    Socket socket = link.connect();
    // The client takes the bytes out of the object that it sends.
    String wanted = Text.write(new Object[] {payload});
    BlockingQueue<Object[]> heard = Link.listen(socket, "heard");
    Link.ask(socket, "join", "mixed");
    socket.emit("say", "mixed", payload);
    Object[] first = Link.wait(heard, "heard");
    // Were it told twice, the second one would be here before this answer.
    Link.ask(socket, "echo");
    if (!heard.isEmpty()) throw new IllegalStateException("heard twice");
    Text.same(Text.write(first), wanted);
    return null;
  }

  private static String namespace(Link link) throws Exception {
    Socket first = link.connect();
    Socket second = Link.connect(first.io().socket("/second", link.options()));
    Text.same(Link.ask(second, "echo", "second"), new Object[] {"second"});
    Text.same(Link.ask(first, "echo", "first"), new Object[] {"first"});
    return null;
  }

  private static String namespaceRefused(Link link) throws Exception {
    isRefused(link.open("/refused", link.options()), "Nobody may enter", "CLOSED");
    isRefused(link.open("/nowhere", link.options()), "Invalid namespace", null);
    return null;
  }

  private static String serverDisconnect(Link link) throws Exception {
    Socket socket = link.connect("websocket");
    BlockingQueue<Object[]> gone = Link.listen(socket, Socket.EVENT_DISCONNECT);
    socket.emit("leave-me");
    Object reason = Link.wait(gone, "disconnect")[0];
    Link.connect(socket);
    Text.same(Link.ask(socket, "echo", 1), new Object[] {1});
    return String.valueOf(reason);
  }

  private static String clientDisconnect(Link link) throws Exception {
    Socket socket = link.connect("websocket");
    BlockingQueue<Object[]> gone = Link.listen(socket, Socket.EVENT_DISCONNECT);
    socket.disconnect();
    return String.valueOf(Link.wait(gone, "disconnect")[0]);
  }

  private static String comesBack(Link link, String event) throws Exception {
    Socket socket = link.connect("websocket");
    BlockingQueue<Object[]> gone = Link.listen(socket, Socket.EVENT_DISCONNECT);
    BlockingQueue<Object[]> back = Link.listen(socket, Socket.EVENT_CONNECT);
    socket.emit(event);
    Object reason = Link.wait(gone, "disconnect")[0];
    Link.wait(back, "the reconnection");
    Text.same(Link.ask(socket, "echo", 1), new Object[] {1});
    return String.valueOf(reason);
  }
}
