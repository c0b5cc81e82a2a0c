#include "ingest/kafka_tables.h"

#include "base/clock.h"
#include "base/log.h"
#include "clickhouse/cluster.h"
#include "clickhouse/schema.h"
#include "kafka/connect_schema.h"
#include "kafka/kafka_limits.h"

#include <regex>

namespace tidemark::ingest {
namespace {

kafka::Format format_of(config::KafkaFormat format) {
  switch (format) {
    case config::KafkaFormat::debezium:
      return kafka::Format::debezium;
    case config::KafkaFormat::flat:
      return kafka::Format::flat;
    case config::KafkaFormat::outbox:
      return kafka::Format::outbox;
    case config::KafkaFormat::json:
      return kafka::Format::json;
    case config::KafkaFormat::ndjson:
      return kafka::Format::ndjson;
    case config::KafkaFormat::lines:
      return kafka::Format::lines;
  }
  return kafka::Format::json;
}

std::vector<std::string> parts_of(const std::string& topic) {
  std::vector<std::string> parts(1);
  for (char character : topic)
    if (character == '.')
      parts.emplace_back();
    else
      parts.back().push_back(character);
  return parts;
}

// Debezium's topics beside those of tables: they have no schema in their name.
bool carries_no_rows(const config::KafkaSource& source, const std::string& topic) {
  bool debezium =
      source.format == config::KafkaFormat::debezium || source.format == config::KafkaFormat::flat;
  if (topic.starts_with("__debezium-heartbeat")) return true;
  // Ours: kafka_slots_pipeline.h.
  if (topic.ends_with(".tidemark_slots") || topic.ends_with(".tidemark_start")) return true;
  auto parts = parts_of(topic);
  return debezium && parts.size() < 3 && (parts.back() == "transaction" || parts.back() == "message");
}

const config::KafkaTable* declared(const config::KafkaSource& source, const std::string& topic) {
  std::string plain = default_table_name(source, topic);
  const config::KafkaTable* found = nullptr;
  for (const auto& table : source.tables) {
    bool named = table.topics.empty() && table.table == plain;
    for (const auto& one : table.topics)
      named |= one == topic ||
               (one.starts_with('^') && std::regex_match(topic, std::regex(one, std::regex::extended)));
    if (named && found == nullptr) found = &table;
  }
  return found;
}

// The first messages of a topic, copied.
Result<std::vector<kafka::Sample>> sample(const config::KafkaSource& source,
                                          const kafka::TopicPartitions& topic) {
  auto consumer = TRY(kafka::Consumer::open(consumer_options(source)));
  std::vector<kafka::Position> positions;
  size_t unread = 0;
  for (int32_t partition = 0; partition < topic.partitions; ++partition) {
    auto marks = TRY(consumer.watermarks(topic.topic, partition));
    if (marks.end <= marks.first) continue;
    positions.push_back({topic.topic, partition, marks.first});
    ++unread;
  }
  std::vector<kafka::Sample> samples;
  if (positions.empty()) return samples;
  TRY_VOID(consumer.assign(positions));
  auto copy = [](const auto& text) { return text ? std::optional<std::string>(*text) : std::nullopt; };
  kafka::Consumer::Handler handler{
      .message = [&](const kafka::Message& message) -> Status {
        if (samples.size() < kafka::limits::sample_messages_max)
          samples.push_back({topic.topic, copy(message.key), copy(message.value)});
        return {};
      },
      .end = [&](const kafka::Position&) { unread -= unread > 0 ? 1 : 0; }};
  int64_t deadline = system_clock().monotonic_micros() + kafka::limits::sample_timeout.count() * 1000;
  while (unread > 0 && samples.size() < kafka::limits::sample_messages_max &&
         system_clock().monotonic_micros() < deadline)
    TRY_VOID(consumer.poll(std::chrono::milliseconds(100), handler));
  return samples;
}

// What an earlier start made; nothing when there is no such table.
Result<std::optional<kafka::TableShape>> from_warehouse(clickhouse::ClientPool& pool,
                                                        const std::string& name) {
  auto lease = pool.lease();
  auto columns = TRY(clickhouse::table_columns(*lease, "bronze", name));
  if (columns.empty()) return std::nullopt;
  kafka::TableShape shape;
  bool keyed = false;
  for (const auto& column : columns) {
    keyed |= column.name == bookkeeping::deleted;
    if (column.name == bookkeeping::version) break;
    shape.columns.push_back(
        {.name = column.name, .target = TRY_IN(parse_column_type(column.type), "column " + column.name)});
  }
  keyed = std::any_of(columns.begin(), columns.end(),
                      [](const auto& column) { return column.name == bookkeeping::deleted; });
  if (!keyed) return shape;
  if (const auto& cluster = pool.endpoint().cluster) {  // the Distributed table has none
    shape.key = TRY(cluster->key_of(name));
    return shape;
  }
  clickhouse::QueryOptions options;
  options.parameters = {{"table", name}};
  Block keys = TRY(
      lease->query("SELECT name FROM system.columns WHERE database = 'bronze' AND table = {table:String} AND "
                   "is_in_sorting_key ORDER BY position",
                   options));
  for (size_t row = 0; row < keys.rows(); ++row) shape.key.emplace_back(keys.columns[0].text(row));
  return shape;
}

Status apply_declaration(const config::KafkaTable& table, kafka::TableShape& shape) {
  for (const auto& form : table.forms) {
    auto column = std::find_if(shape.columns.begin(), shape.columns.end(),
                               [&](const auto& one) { return one.name == form.first; });
    if (column == shape.columns.end())
      return fail(ErrorKind::config,
                  fmt::format("`forms` names the column `{}`, which the messages do not have", form.first));
    column->form = TRY(kafka::parse_form(form.second));
    if (column->form == kafka::Form::decimal_bytes) column->scale = column->target.scale;
  }
  return {};
}

Result<kafka::TableShape> shape_of(const config::KafkaSource& source, const config::KafkaTable* table,
                                   const kafka::TopicPartitions& topic) {
  kafka::Format format = format_of(source.format);
  kafka::TableShape shape = kafka::fixed_shape(format);
  if (table != nullptr && !table->columns.empty()) {
    for (const auto& [name, type] : table->columns) shape.columns.push_back({.name = name, .target = type});
  } else if (shape.columns.empty()) {
    shape = TRY(kafka::learn_shape(format, TRY(sample(source, topic))));
  }
  if (table == nullptr) return shape;
  if (table->append_only) shape.key.clear();
  if (!table->key.empty()) shape.key = table->key;
  for (const auto& key : shape.key) {
    auto column = std::find_if(shape.columns.begin(), shape.columns.end(),
                               [&](const auto& one) { return one.name == key; });
    if (column == shape.columns.end())
      return fail(ErrorKind::config,
                  fmt::format("`key` names the column `{}`, which the messages do not have", key));
    column->target.nullable = false;
  }
  return shape;
}

postgres::SourceTable source_table(const std::string& name, const kafka::TableShape& shape,
                                   bool marks_unchanged) {
  postgres::SourceTable table{.schema = "public", .name = name};
  for (const auto& column : shape.columns) {
    postgres::SourceColumn entry;
    entry.name = column.name;
    entry.target = column.target;
    entry.not_null = !column.target.nullable;
    table.columns.push_back(std::move(entry));
  }
  for (size_t position = 0; position < shape.key.size(); ++position)
    for (size_t index = 0; index < table.columns.size(); ++index)
      if (table.columns[index].name == shape.key[position]) {
        table.columns[index].key_position = static_cast<int>(position);
        table.key.push_back(index);
      }
  table.has_toastable_columns = marks_unchanged;
  return table;
}

}  // namespace

kafka::ConsumerOptions consumer_options(const config::KafkaSource& source) {
  return {.brokers = source.brokers,
          .group = source.group,
          .settings = source.settings,
          .client = "tidemark-" + source.name};
}

kafka::DecoderOptions decoder_options(const config::KafkaSource& source) {
  return {.format = format_of(source.format),
          .ignore_unknown_fields = source.ignore_unknown_fields,
          .placeholder = source.placeholder};
}

std::string default_table_name(const config::KafkaSource& source, const std::string& topic) {
  if (source.format == config::KafkaFormat::outbox) return "outbox_events";
  std::string name = topic;
  bool debezium =
      source.format == config::KafkaFormat::debezium || source.format == config::KafkaFormat::flat;
  auto parts = parts_of(topic);
  if (debezium && parts.size() >= 3) {
    const std::string& schema = parts[parts.size() - 2];
    name = schema == "public" ? parts.back() : schema + "_" + parts.back();
  }
  for (char& character : name)
    if (std::isalnum(static_cast<unsigned char>(character)) == 0) character = '_';
  return name;
}

Result<std::vector<kafka::TopicPartitions>> find_topics(const config::KafkaSource& source,
                                                        kafka::Consumer& consumer) {
  auto topics = TRY(consumer.topics(source.topics));
  for (const auto& wanted : source.topics)
    if (!wanted.starts_with('^') &&
        std::none_of(topics.begin(), topics.end(), [&](const auto& topic) { return topic.topic == wanted; }))
      return fail(ErrorKind::config, fmt::format("there is no topic {}", wanted),
                  "create it, or correct its name; kcat -L lists topics");
  std::erase_if(topics, [&](const auto& topic) { return carries_no_rows(source, topic.topic); });
  return topics;
}

Result<KafkaTables> find_tables(const config::KafkaSource& source, kafka::Consumer& consumer,
                                clickhouse::ClientPool& pool, const std::set<std::string>& with_changes,
                                bool anew) {
  KafkaTables found;
  found.topics = TRY(find_topics(source, consumer));
  if (found.topics.empty())
    return fail(ErrorKind::config, "no topic matches `pattern`",
                "kcat -L lists topics; a topic is there after its first message");
  bool marks_unchanged =
      source.format == config::KafkaFormat::debezium || source.format == config::KafkaFormat::flat;
  std::map<std::string, size_t> by_name;
  for (const auto& topic : found.topics) {
    const config::KafkaTable* table = declared(source, topic.topic);
    std::string name = table != nullptr ? table->table : default_table_name(source, topic.topic);
    if (auto known = by_name.find(name); known != by_name.end()) {  // several topics, one table
      found.table_of[topic.topic] = known->second;
      continue;
    }
    std::optional<kafka::TableShape> shape;
    if (!anew) shape = TRY(from_warehouse(pool, name));
    if (!shape) shape = TRY_IN(shape_of(source, table, topic), "topic " + topic.topic);
    if (table != nullptr) TRY_VOID(apply_declaration(*table, *shape));
    CapturedTable captured =
        capture(source_table(name, *shape, marks_unchanged), shape->key.empty(), with_changes.contains(name));
    captured.repeats = true;
    by_name[name] = found.table_of[topic.topic] = found.tables.size();
    found.tables.push_back(std::move(captured));
    found.shapes.push_back(std::move(*shape));
  }
  return found;
}

}  // namespace tidemark::ingest
