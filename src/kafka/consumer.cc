#include "kafka/consumer.h"

#include "kafka/client.h"
#include "kafka/kafka_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <regex>

namespace tidemark::kafka {
namespace {

ErrorKind consumer_error_kind(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return ErrorKind::refused;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PROTOCOL:
      return ErrorKind::config;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return ErrorKind::corrupt;
    default:
      return ErrorKind::dependency_down;
  }
}

tl::unexpected<Error> failed(rd_kafka_resp_err_t code, const std::string& doing,
                             const std::string& more = {}) {
  return fail(
      consumer_error_kind(code),
      fmt::format("Kafka: {}: {}{}", doing, rd_kafka_err2str(code), more.empty() ? "" : " (" + more + ")"),
      consumer_error_kind(code) == ErrorKind::dependency_down
          ? "check that the brokers are up and `brokers` names them"
          : "");
}

struct ListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using List = std::unique_ptr<rd_kafka_topic_partition_list_t, ListDeleter>;

List list_of(const std::vector<Position>& positions) {
  List list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const auto& position : positions)
    rd_kafka_topic_partition_list_add(list.get(), position.topic.c_str(), position.partition)->offset =
        position.offset;
  return list;
}

std::vector<Position> positions_of(const rd_kafka_topic_partition_list_t* list) {
  std::vector<Position> positions;
  for (int index = 0; index < list->cnt; ++index)
    positions.push_back({list->elems[index].topic, list->elems[index].partition, list->elems[index].offset});
  return positions;
}

std::optional<std::string_view> bytes(const void* data, size_t length) {
  if (data == nullptr) return std::nullopt;
  return std::string_view(static_cast<const char*>(data), length);
}

std::optional<std::string_view> find_header(const void* native, const char* name) {
  // librdkafka reads the headers when they are asked for, which it keeps in the message.
  auto* message = static_cast<rd_kafka_message_t*>(const_cast<void*>(native));
  rd_kafka_headers_t* headers = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::nullopt;
  return std::string_view(static_cast<const char*>(value), value == nullptr ? 0 : size);
}

Message view_of(const rd_kafka_message_t& message) {
  Message view{.topic = rd_kafka_topic_name(message.rkt),
               .partition = message.partition,
               .offset = message.offset,
               .key = bytes(message.key, message.key_len),
               .value = bytes(message.payload, message.len),
               .native = &message,
               .find_header = find_header};
  rd_kafka_timestamp_type_t type;
  int64_t timestamp = rd_kafka_message_timestamp(&message, &type);
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp > 0) view.timestamp_ms = timestamp;
  return view;
}

}  // namespace

struct Consumer::Handle {
  rd_kafka_t* client = nullptr;
  rd_kafka_queue_t* queue = nullptr;
  GroupListener listener;
  std::optional<Error> listener_error;
  Complaints complaints;

  ~Handle() {
    if (queue != nullptr) rd_kafka_queue_destroy(queue);
    if (client == nullptr) return;
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
  }

  static void on_error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
    complain(static_cast<Handle*>(opaque)->complaints, client, code, reason);
  }

  static void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t event,
                           rd_kafka_topic_partition_list_t* list, void* opaque) {
    auto* self = static_cast<Handle*>(opaque);
    std::vector<Position> positions = positions_of(list);
    // Then the list is what changes, not all there is.
    bool cooperative = std::string_view(rd_kafka_rebalance_protocol(client)) == "COOPERATIVE";
    auto done = [&](rd_kafka_error_t* error) {
      if (error == nullptr) return;
      self->complaints.set(rd_kafka_error_string(error));
      rd_kafka_error_destroy(error);
    };
    if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      Status ready = self->listener.assigned ? self->listener.assigned(positions) : Status();
      if (ready) {
        if (cooperative)
          done(rd_kafka_incremental_assign(client, list_of(positions).get()));
        else
          rd_kafka_assign(client, list_of(positions).get());
        return;
      }
      self->listener_error = std::move(ready.error());
    } else if (self->listener.lost && rd_kafka_assignment_lost(client)) {
      self->listener.lost(positions);
    } else if (self->listener.revoked) {
      self->listener.revoked(positions);
    }
    if (cooperative && event == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
      done(rd_kafka_incremental_unassign(client, list));
    else
      rd_kafka_assign(client, nullptr);
  }
};

Consumer::Consumer(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&&) noexcept = default;
Consumer::~Consumer() = default;

Result<Consumer> Consumer::open(const ConsumerOptions& options) {
  auto handle = std::make_unique<Handle>();
  std::map<std::string, std::string> settings = {
      {"bootstrap.servers", options.brokers},
      {"client.id", options.client},
      {"group.id", options.group.empty() ? options.client : options.group},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},
      {"enable.partition.eof", "true"},
      {"isolation.level", "read_committed"},
      {"queued.max.messages.kbytes", std::to_string(limits::queued_kilobytes_max)},
      {"receive.message.max.bytes", std::to_string(limits::message_bytes_max + (1 << 20))},
      {"fetch.message.max.bytes", "1048576"},
      {"fetch.wait.max.ms", "100"},
      {"fetch.error.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "1000"},
      {"topic.metadata.refresh.interval.ms", std::to_string(limits::metadata_every.count())},
      {"log.connection.close", "false"},
  };
  handle->client =
      TRY(open_client(RD_KAFKA_CONSUMER, std::move(settings), options.settings, [&](rd_kafka_conf_t* conf) {
        rd_kafka_conf_set_opaque(conf, handle.get());
        rd_kafka_conf_set_error_cb(conf, Handle::on_error);
        rd_kafka_conf_set_log_cb(conf, log_of_client);
        rd_kafka_conf_set_rebalance_cb(conf, Handle::on_rebalance);
      }));
  rd_kafka_poll_set_consumer(handle->client);
  handle->queue = rd_kafka_queue_get_consumer(handle->client);
  return Consumer(std::move(handle));
}

Result<std::vector<TopicPartitions>> Consumer::topics(const std::vector<std::string>& names_or_patterns) {
  std::vector<std::regex> patterns;
  std::vector<std::string> names;
  try {
    for (const auto& one : names_or_patterns)
      if (one.starts_with('^'))
        patterns.emplace_back(one, std::regex::extended);
      else
        names.push_back(one);
  } catch (const std::regex_error& error) {
    return fail(ErrorKind::config,
                fmt::format("a pattern of topics is no regular expression: {}", error.what()));
  }
  const rd_kafka_metadata_t* metadata = nullptr;
  auto code = rd_kafka_metadata(handle_->client, 1, nullptr, &metadata,
                                static_cast<int>(limits::request_timeout.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, "asking for topics", trouble());
  std::vector<TopicPartitions> found;
  for (int index = 0; index < metadata->topic_cnt; ++index) {
    const auto& topic = metadata->topics[index];
    std::string name = topic.topic;
    if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR || topic.partition_cnt == 0) continue;
    bool wanted = std::find(names.begin(), names.end(), name) != names.end();
    if (!wanted && !name.starts_with("__"))
      wanted = std::any_of(patterns.begin(), patterns.end(),
                           [&](const auto& pattern) { return std::regex_match(name, pattern); });
    if (wanted) found.push_back({name, topic.partition_cnt});
  }
  rd_kafka_metadata_destroy(metadata);
  std::sort(found.begin(), found.end(),
            [](const auto& left, const auto& right) { return left.topic < right.topic; });
  size_t partitions = 0;
  for (const auto& topic : found) partitions += static_cast<size_t>(topic.partitions);
  if (partitions > limits::partitions_max)
    return fail(ErrorKind::limit,
                fmt::format("the topics have {} partitions; a source may have {}", partitions,
                            limits::partitions_max),
                "share them among several sources");
  return found;
}

Result<Watermarks> Consumer::watermarks(const std::string& topic, int32_t partition) {
  Watermarks marks;
  auto code = rd_kafka_query_watermark_offsets(handle_->client, topic.c_str(), partition, &marks.first,
                                               &marks.end, static_cast<int>(limits::request_timeout.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return failed(code, fmt::format("asking where {}/{} ends", topic, partition), trouble());
  return marks;
}

uint64_t Consumer::known_end(const Position& position) const {
  int64_t first = 0;
  int64_t end = 0;
  auto code = rd_kafka_get_watermark_offsets(handle_->client, position.topic.c_str(), position.partition,
                                             &first, &end);
  return static_cast<uint64_t>(code == RD_KAFKA_RESP_ERR_NO_ERROR ? std::max(end, position.offset)
                                                                  : position.offset);
}

Result<std::string> Consumer::cluster() {
  char* id = rd_kafka_clusterid(handle_->client, static_cast<int>(limits::request_timeout.count()));
  if (id == nullptr)
    return fail(ErrorKind::dependency_down,
                fmt::format("Kafka does not answer{}", trouble().empty() ? "" : ": " + trouble()),
                "check that the brokers are up and `brokers` names them");
  std::string text = id;
  rd_kafka_mem_free(handle_->client, id);
  return text;
}

void Consumer::probe() {
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(handle_->client, 0, nullptr, &metadata,
                        static_cast<int>(limits::probe_timeout.count())) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return;
  rd_kafka_metadata_destroy(metadata);
  handle_->complaints.clear();
}

Status Consumer::assign(const std::vector<Position>& positions) {
  auto code = rd_kafka_assign(handle_->client, list_of(positions).get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, "assigning partitions");
  return {};
}

Status Consumer::seek(const Position& position) {
  List list = list_of({position});
  rd_kafka_error_t* error = rd_kafka_seek_partitions(handle_->client, list.get(),
                                                     static_cast<int>(limits::request_timeout.count()));
  if (error == nullptr) return {};
  auto code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  return failed(code, fmt::format("seeking in {}/{}", position.topic, position.partition));
}

Status Consumer::pause(const std::vector<Position>& partitions) {
  auto code = rd_kafka_pause_partitions(handle_->client, list_of(partitions).get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, "pausing partitions");
  return {};
}

Status Consumer::resume(const std::vector<Position>& partitions) {
  auto code = rd_kafka_resume_partitions(handle_->client, list_of(partitions).get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, "resuming partitions");
  return {};
}

Status Consumer::subscribe(const std::vector<std::string>& names_or_patterns, GroupListener listener) {
  handle_->listener = std::move(listener);
  std::vector<Position> topics;
  for (const auto& topic : names_or_patterns)
    topics.push_back({topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_OFFSET_INVALID});
  auto code = rd_kafka_subscribe(handle_->client, list_of(topics).get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, "joining the group");
  return {};
}

Status Consumer::unsubscribe() {
  auto code = rd_kafka_unsubscribe(handle_->client);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, "leaving the group");
  return {};
}

Result<size_t> Consumer::group_members(const std::string& group) {
  const rd_kafka_group_list* list = nullptr;
  auto code = rd_kafka_list_groups(handle_->client, group.c_str(), &list,
                                   static_cast<int>(limits::request_timeout.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR && list == nullptr)
    return failed(code, "asking for the group's members", trouble());
  size_t members = 0;
  for (int index = 0; index < list->group_cnt; ++index)
    members += static_cast<size_t>(list->groups[index].member_cnt);
  rd_kafka_group_list_destroy(list);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failed(code, "asking for the group's members", trouble());
  return members;
}

Status Consumer::poll(std::chrono::milliseconds timeout, const Handler& handler) {
  rd_kafka_message_t* messages[limits::batch_messages_max];
  // A batch is waited for until it is full or the time is over: so one message is waited for, and then what
  // is there is taken.
  messages[0] = rd_kafka_consume_queue(handle_->queue, static_cast<int>(timeout.count()));
  ssize_t count = messages[0] == nullptr ? 0 : 1;
  if (count > 0) {
    ssize_t more =
        rd_kafka_consume_batch_queue(handle_->queue, 0, messages + 1, limits::batch_messages_max - 1);
    count += std::max<ssize_t>(more, 0);
  }
  if (handle_->listener_error) {
    Error error = std::move(*handle_->listener_error);
    handle_->listener_error.reset();
    for (ssize_t index = 0; index < count; ++index) rd_kafka_message_destroy(messages[index]);
    return fail(std::move(error));
  }
  Status status;
  for (ssize_t index = 0; index < count; ++index) {
    const rd_kafka_message_t& message = *messages[index];
    if (status) {
      if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        handle_->complaints.clear();
        status = handler.message(view_of(message));
      } else if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (handler.end) handler.end({rd_kafka_topic_name(message.rkt), message.partition, message.offset});
      } else if (consumer_error_kind(message.err) != ErrorKind::dependency_down) {
        status = failed(message.err, "reading", rd_kafka_message_errstr(&message));
      } else {
        handle_->complaints.set(rd_kafka_message_errstr(&message));
      }
    }
    rd_kafka_message_destroy(messages[index]);
  }
  return status;
}

void Consumer::wake() {
  rd_kafka_queue_yield(handle_->queue);
}

void Consumer::commit(const std::vector<Position>& positions) {
  // Only for people who watch lag: whether it succeeds does not matter.
  rd_kafka_commit(handle_->client, list_of(positions).get(), 1);
}

std::string Consumer::trouble() const {
  return handle_->complaints.text();
}

}  // namespace tidemark::kafka
