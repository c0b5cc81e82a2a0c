// Which topics a Kafka source reads and which tables their messages go into.
//
// A table's columns come, in this order, from the warehouse when it has the table already; from the project
// file; from the schema beside the messages; from the values of the first messages. So what was once learned
// stays. Topics that carry no rows (heartbeats, transaction markers, logical messages) are passed over.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/kafka_source.h"
#include "ingest/captured_table.h"
#include "kafka/consumer.h"
#include "kafka/message_decoder.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tidemark::ingest {

struct KafkaTables {
  std::vector<CapturedTable> tables;
  std::vector<kafka::TableShape> shapes;       // of `tables`, by index
  std::map<std::string, size_t> table_of;      // topic -> index
  std::vector<kafka::TopicPartitions> topics;  // those with a table
};

kafka::ConsumerOptions consumer_options(const config::KafkaSource& source);
kafka::DecoderOptions decoder_options(const config::KafkaSource& source);

// Topics that match, without those that carry no rows. Errors: config when a topic that is named does not
// exist.
Result<std::vector<kafka::TopicPartitions>> find_topics(const config::KafkaSource& source,
                                                        kafka::Consumer& consumer);

// `anew`: what the warehouse has of the tables does not count. Errors: config, with the topic.
Result<KafkaTables> find_tables(const config::KafkaSource& source, kafka::Consumer& consumer,
                                clickhouse::ClientPool& pool, const std::set<std::string>& with_changes,
                                bool anew);

// "shop.public.orders" -> "orders": the name of a topic's table when the project gives none.
std::string default_table_name(const config::KafkaSource& source, const std::string& topic);

}  // namespace tidemark::ingest
