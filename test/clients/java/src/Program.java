import io.socket.client.IO;
import java.io.InputStream;
import java.util.List;
import java.util.Properties;
import org.json.JSONObject;

/** The program of the Java client: see ../../README.md. */
public final class Program {
  private Program() {}

  /** Runs all rows, or those named. */
  public static void main(String[] arguments) throws Exception {
    List<String> only = List.of(arguments);
    String runtime = "Java " + System.getProperty("java.version");
    say("client", "socket.io-client-java", "version", version(), "runtime", runtime);
    Rows.all().forEach((name, row) -> {
      if (only.isEmpty() || only.contains(name)) run(name, row);
    });
    System.exit(0); // the client's threads go on
  }

  private static void run(String name, Rows.Row row) {
    Link link = new Link();
    try {
      String reason = row.run(link);
      if (reason == null) say("row", name, "result", "works");
      else say("row", name, "result", "works", "reason", reason);
    } catch (Exception error) {
      say("row", name, "result", "fails", "detail", String.valueOf(error.getMessage()));
    }
    link.close();
  }

  private static String version() throws Exception {
    String path = "/META-INF/maven/io.socket/socket.io-client/pom.properties";
    try (InputStream in = IO.class.getResourceAsStream(path)) {
      Properties properties = new Properties();
      properties.load(in);
      return properties.getProperty("version");
    }
  }

  /** Prints keys and values as one line of JSON, in this order. */
  private static void say(String... pairs) {
    StringBuilder line = new StringBuilder();
    for (int index = 0; index < pairs.length; index++) {
      line.append(index == 0 ? "{" : index % 2 == 0 ? "," : ":");
      line.append(JSONObject.quote(pairs[index]));
    }
    System.out.println(line.append("}"));
  }
}
