import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Socket;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.json.JSONException;

/** Opens the connections of one row. */
final class Link {
  /** How long a row waits for anything. */
  static final long ROW_SECONDS = 10;

  private final String url = System.getenv("SLUICE_URL");
  private final String token = System.getenv("SLUICE_TOKEN");
  private final List<Socket> opened = new ArrayList<>();

  /** Returns the options of a connection with the token; without transports, the client's own. */
  IO.Options options(String... transports) {
    IO.Options options = new IO.Options();
    options.forceNew = true;
    options.reconnectionDelay = 100;
    options.auth = new HashMap<>(Map.of("token", token));
    if (transports.length > 0) options.transports = transports;
    return options;
  }

  /** Makes the socket of a namespace. It does not connect yet. */
  Socket open(String namespace, IO.Options options) {
    Socket socket = IO.socket(URI.create(url + namespace), options);
    opened.add(socket);
    return socket;
  }

  /** Opens a connection, and waits until it is accepted. */
  Socket connect(String... transports) throws Exception {
    return connect(open("", options(transports)));
  }

  static Socket connect(Socket socket) throws Exception {
    BlockingQueue<Object[]> came = new LinkedBlockingQueue<>();
    socket.once(Socket.EVENT_CONNECT, values -> came.add(new Object[] {"accepted"}));
    socket.once(Socket.EVENT_CONNECT_ERROR, came::add);
    socket.connect();
    Text.same(wait(came, "connect"), new Object[] {"accepted"});
    return socket;
  }

  void close() {
    opened.forEach(Socket::disconnect);
  }

  /** Returns a queue of the values of each event to come. */
  static BlockingQueue<Object[]> listen(Socket socket, String event) {
    BlockingQueue<Object[]> came = new LinkedBlockingQueue<>();
    socket.on(event, came::add);
    return came;
  }

  static Object[] wait(BlockingQueue<Object[]> came, String what) throws InterruptedException {
    Object[] values = came.poll(ROW_SECONDS, TimeUnit.SECONDS);
    if (values == null) throw new IllegalStateException(what + ": nothing in time");
    return values;
  }

  /** Emits an event, and returns the values of its ack. */
  static Object[] ask(Socket socket, String event, Object... values)
      throws InterruptedException, JSONException {
    BlockingQueue<Object[]> acked = new LinkedBlockingQueue<>();
    Object[] all = Arrays.copyOf(values, values.length + 1, Object[].class);
    all[values.length] = (Ack) acked::add;
    socket.emit(event, all);
    return wait(acked, "the ack of " + event);
  }
}
