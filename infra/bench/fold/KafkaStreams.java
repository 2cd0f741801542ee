import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The fold of `bench fold` in Kafka Streams: the table `orders`, its changelog, and nothing else.
 *
 * Arguments: the topic and a file of properties. The store is in memory, its changelog is in Kafka. Ends when its standard
 * input does.
 */
public final class KafkaStreams {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final ObjectReader EVENTS = MAPPER.readerFor(Event.class);
    private static final ObjectReader ROWS = MAPPER.readerFor(Row.class);
    private static final ObjectWriter WRITER = MAPPER.writerFor(Row.class);

    /** What the fold needs of an envelope. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Event {
        public int sequence;
        public String type;
        public Data data;
    }

    /** What the fold needs of an event. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Data {
        public String amount;
    }

    /** One row: version and type of the last event, the sum of what was placed. */
    public static final class Row {
        public int version;
        public String status;
        public String amount = "0";
    }

    private static final class Fold implements Processor<byte[], byte[], Void, Void> {
        private KeyValueStore<byte[], byte[]> orders;

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            orders = context.getStateStore("orders");
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            try {
                Event event = EVENTS.readValue(record.value());
                byte[] stored = orders.get(record.key());
                Row row = stored == null ? new Row() : ROWS.readValue(stored);
                if (event.sequence <= row.version) {
                    return;
                }
                row.version = event.sequence;
                row.status = event.type;
                if (event.type.equals("OrderPlaced")) {
                    row.amount = new BigDecimal(row.amount).add(new BigDecimal(event.data.amount)).toString();
                }
                orders.put(record.key(), WRITER.writeValueAsBytes(row));
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    private static Topology topology(String topic) {
        var supplier = Stores.inMemoryKeyValueStore("orders");
        var store = Stores.keyValueStoreBuilder(supplier, Serdes.ByteArray(), Serdes.ByteArray())
            .withCachingEnabled()
            .withLoggingEnabled(Map.of());
        return new Topology()
            .addSource("events", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), topic)
            .addProcessor("fold", Fold::new, "events")
            .addStateStore(store, "fold");
    }

    public static void main(String[] arguments) throws IOException {
        var properties = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(arguments[1]))) {
            properties.load(reader);
        }
        var streams = new org.apache.kafka.streams.KafkaStreams(topology(arguments[0]), new StreamsConfig(properties));
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        while (System.in.read() >= 0) {
            continue;
        }
        System.exit(0);
    }
}
