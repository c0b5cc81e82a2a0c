#include "kafka/producer.h"

#include "base/invariant.h"
#include "kafka/client.h"
#include "kafka/producer_limits.h"

#include <fmt/format.h>
#include <functional>

namespace tidemark::kafka {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

ErrorKind producer_error_kind(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
      return ErrorKind::conflict;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return ErrorKind::refused;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return ErrorKind::config;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return ErrorKind::limit;
    default:
      return ErrorKind::dependency_down;
  }
}

const char* remedy_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::conflict:
      return "another process has taken over this transactional id; end one of the two";
    case ErrorKind::limit:
      return "raise max.message.bytes of the topic and message.max.bytes of the brokers";
    case ErrorKind::dependency_down:
      return "check that the brokers are up and `brokers` names them";
    default:
      return "";
  }
}

tl::unexpected<Error> failed(rd_kafka_resp_err_t code, const std::string& doing,
                             const std::string& more = {}) {
  ErrorKind kind = producer_error_kind(code);
  return fail(
      kind,
      fmt::format("Kafka: {}: {}{}", doing, rd_kafka_err2str(code), more.empty() ? "" : " (" + more + ")"),
      remedy_of(kind));
}

}  // namespace

struct Producer::Handle {
  explicit Handle(const std::atomic<bool>& stop) : stop(stop) {}

  rd_kafka_t* client = nullptr;
  bool transactional = false;
  const std::atomic<bool>& stop;
  bool fenced = false;
  size_t queued = 0;  // since the last look at delivery reports
  // Of the first message that was not delivered; the callbacks run inside our own calls.
  std::optional<std::pair<rd_kafka_resp_err_t, std::string>> undelivered;
  Complaints complaints;

  ~Handle() {
    if (client == nullptr) return;
    // What is still queued belongs to a transaction that nobody will commit, or was never promised.
    rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy_flags(client, 0);
  }

  static void on_error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
    complain(static_cast<Handle*>(opaque)->complaints, client, code, reason);
  }
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    auto* self = static_cast<Handle*>(opaque);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || self->undelivered) return;
    self->undelivered = {message->err, rd_kafka_topic_name(message->rkt)};
  }

  Status delivered_so_far() {
    if (!undelivered) return {};
    fenced |= producer_error_kind(undelivered->first) == ErrorKind::conflict;
    return failed(undelivered->first, "publishing to " + undelivered->second, complaints.text());
  }

  // Calls `step` with the time it may take until it is done, fails for good, or the deadline passes.
  Status until_done(const std::string& doing, milliseconds deadline,
                    const std::function<rd_kafka_error_t*(int)>& step) {
    auto end = steady_clock::now() + deadline;
    while (true) {
      rd_kafka_error_t* error = step(static_cast<int>(limits::send_wait_step.count()));
      if (error == nullptr) return {};
      auto code = rd_kafka_error_code(error);
      bool again = rd_kafka_error_is_retriable(error) != 0;
      std::string text = rd_kafka_error_string(error);
      rd_kafka_error_destroy(error);
      if (!again) {
        if (code == RD_KAFKA_RESP_ERR__FATAL) {
          char fatal[error_text_bytes] = {};
          code = rd_kafka_fatal_error(client, fatal, sizeof fatal);
          text = fatal;
        }
        fenced |= producer_error_kind(code) == ErrorKind::conflict;
        return failed(code, doing, text);
      }
      if (stop) return fail(ErrorKind::cancelled, "stopped");
      if (steady_clock::now() > end) return failed(RD_KAFKA_RESP_ERR__TIMED_OUT, doing, complaints.text());
    }
  }
};

Producer::Producer(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Producer::Producer(Producer&&) noexcept = default;
Producer& Producer::operator=(Producer&&) noexcept = default;
Producer::~Producer() = default;

Result<Producer> Producer::open(const ProducerOptions& options, const std::atomic<bool>& stop) {
  auto handle = std::make_unique<Handle>(stop);
  handle->transactional = !options.transactional_id.empty();
  std::map<std::string, std::string> settings = {
      {"bootstrap.servers", options.brokers},
      {"client.id", options.client},
      {"enable.idempotence", "true"},
      {"partitioner", "murmur2_random"},
      {"compression.type", "lz4"},
      {"linger.ms", "5"},
      {"queue.buffering.max.messages", std::to_string(limits::send_queue_messages_max)},
      {"queue.buffering.max.kbytes", std::to_string(limits::send_queue_kilobytes_max)},
      {"message.max.bytes", std::to_string(limits::send_message_bytes_max)},
      {"reconnect.backoff.max.ms", "1000"},
      {"log.connection.close", "false"},
  };
  if (handle->transactional) {
    settings["transactional.id"] = options.transactional_id;
    settings["transaction.timeout.ms"] = std::to_string(limits::transaction_age_max.count());
  }
  handle->client =
      TRY(open_client(RD_KAFKA_PRODUCER, std::move(settings), options.settings, [&](rd_kafka_conf_t* conf) {
        rd_kafka_conf_set_opaque(conf, handle.get());
        rd_kafka_conf_set_error_cb(conf, Handle::on_error);
        rd_kafka_conf_set_log_cb(conf, log_of_client);
        rd_kafka_conf_set_dr_msg_cb(conf, Handle::on_delivery);
      }));
  return Producer(std::move(handle));
}

Status Producer::initialise() {
  INVARIANT(handle_->transactional);
  return handle_->until_done("taking over the transactional id", limits::initialise_wait_max,
                             [this](int wait) { return rd_kafka_init_transactions(handle_->client, wait); });
}

Status Producer::begin() {
  return handle_->until_done("beginning a transaction", limits::commit_wait_max,
                             [this](int) { return rd_kafka_begin_transaction(handle_->client); });
}

Status Producer::send(const OutgoingMessage& message) {
  std::string topic(message.topic);
  rd_kafka_headers_t* headers = nullptr;
  auto end = steady_clock::time_point::max();
  while (true) {
    // A queue that is looked at now and then keeps delivery reports from piling up.
    constexpr size_t look_every = 1'000;
    if (++handle_->queued % look_every == 0) {
      rd_kafka_poll(handle_->client, 0);
      TRY_VOID(handle_->delivered_so_far());
    }
    if (!message.headers.empty()) {
      headers = rd_kafka_headers_new(message.headers.size());
      for (const auto& [name, value] : message.headers)
        rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                            static_cast<ssize_t>(value.size()));
    }
    // An empty key is a key, so its address must not be null.
    auto address = [](const std::optional<std::string_view>& bytes) -> char* {
      if (!bytes) return nullptr;
      return const_cast<char*>(bytes->data() != nullptr ? bytes->data() : "");
    };
    size_t key_size = message.key ? message.key->size() : 0;
    size_t value_size = message.value ? message.value->size() : 0;
    auto code = rd_kafka_producev(
        handle_->client, RD_KAFKA_V_TOPIC(topic.c_str()),
        RD_KAFKA_V_PARTITION(message.partition < 0 ? RD_KAFKA_PARTITION_UA : message.partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(address(message.key), key_size),
        RD_KAFKA_V_VALUE(address(message.value), value_size), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    if (headers != nullptr) rd_kafka_headers_destroy(headers);
    headers = nullptr;
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      TRY_VOID(handle_->delivered_so_far());
      return failed(code, "publishing to " + topic, handle_->complaints.text());
    }
    auto now = steady_clock::now();
    if (end == steady_clock::time_point::max()) end = now + limits::send_wait_max;
    if (handle_->stop) return fail(ErrorKind::cancelled, "stopped");
    if (now > end)
      return failed(RD_KAFKA_RESP_ERR__TIMED_OUT, "waiting for room", handle_->complaints.text());
    // Sleeps until something is delivered.
    rd_kafka_poll(handle_->client, static_cast<int>(limits::send_wait_step.count()));
    TRY_VOID(handle_->delivered_so_far());
  }
}

Status Producer::commit() {
  // First everything is delivered: an error until here means that nothing was committed. Afterwards the
  // answer may be lost on its way.
  TRY_VOID(flush());
  Status done = handle_->until_done("committing", limits::commit_wait_max, [this](int wait) {
    return rd_kafka_commit_transaction(handle_->client, wait);
  });
  if (done) {
    handle_->complaints.clear();
    return done;
  }
  ErrorKind kind = done.error().kind;
  if (kind == ErrorKind::dependency_down || kind == ErrorKind::cancelled)
    return fail(ErrorKind::unknown_outcome, done.error().message, remedy_of(ErrorKind::dependency_down));
  return done;
}

Status Producer::abort() {
  handle_->undelivered.reset();
  Status done = handle_->until_done("aborting", limits::commit_wait_max, [this](int wait) {
    return rd_kafka_abort_transaction(handle_->client, wait);
  });
  handle_->undelivered.reset();  // the purge reports what it took
  return done;
}

Status Producer::flush() {
  auto end = steady_clock::now() + limits::send_wait_max;
  while (rd_kafka_flush(handle_->client, static_cast<int>(limits::send_wait_step.count())) !=
         RD_KAFKA_RESP_ERR_NO_ERROR) {
    TRY_VOID(handle_->delivered_so_far());
    if (handle_->stop) return fail(ErrorKind::cancelled, "stopped");
    if (steady_clock::now() > end)
      return failed(RD_KAFKA_RESP_ERR__TIMED_OUT, "waiting for delivery", handle_->complaints.text());
  }
  return handle_->delivered_so_far();
}

bool Producer::fenced() const {
  return handle_->fenced;
}

std::string Producer::trouble() const {
  return handle_->complaints.text();
}

}  // namespace tidemark::kafka
