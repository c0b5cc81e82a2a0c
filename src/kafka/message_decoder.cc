#include "kafka/message_decoder.h"

#include "base/invariant.h"
#include "kafka/connect_schema.h"
#include "kafka/encoded_text.h"
#include "kafka/kafka_limits.h"
#include "kafka/row_decoder.h"

namespace tidemark::kafka {

namespace ondemand = simdjson::ondemand;
using simdjson::SUCCESS;

namespace {

constexpr std::string_view schema_start = "{\"schema\":";

// Nothing may follow the document: two in one message are one too many.
bool at_end(ondemand::document& document) {
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

}  // namespace

const char* name(Format format) {
  switch (format) {
    case Format::debezium:
      return "debezium";
    case Format::flat:
      return "flat";
    case Format::outbox:
      return "outbox";
    case Format::json:
      return "json";
    case Format::ndjson:
      return "ndjson";
    case Format::lines:
      return "lines";
  }
  return "";
}

struct MessageDecoder::State {
  State(TableShape table, DecoderOptions chosen)
      : options(std::move(chosen)),
        row(std::move(table), marks_unchanged() ? options.placeholder : "", options.ignore_unknown_fields) {
    if (options.format == Format::flat)
      row.on_note(
          [this](std::string_view name, ondemand::value value) { return read_note(name, std::move(value)); });
  }
  bool marks_unchanged() const {
    return options.format == Format::debezium || options.format == Format::flat;
  }

  // ---- what surrounds a row ----

  bool read_note(std::string_view note, ondemand::value value) {
    note.remove_prefix(2);
    if (note.starts_with("source_")) note.remove_prefix(7);
    ondemand::json_type type;
    if (value.type().get(type) != SUCCESS) return false;
    std::string_view text;
    int64_t number = 0;
    if (type == ondemand::json_type::string && value.get_string().get(text) != SUCCESS) return false;
    if (type == ondemand::json_type::number && value.get_int64().get(number) != SUCCESS) return true;
    if (note == "deleted") {
      bool flag = text == "true";
      if (type == ondemand::json_type::boolean && value.get_bool().get(flag) != SUCCESS) return false;
      decoded.says_deleted = true;
      deleted = flag;
    } else if (note == "op") {
      if (!text.empty()) operation = text.front();
    } else if (note == "lsn") {
      decoded.lsn = number > 0 ? static_cast<uint64_t>(number) : 0;
    } else if (note == "snapshot") {
      read_snapshot(text);
    } else if (note == "ts_us") {
      decoded.committed_at = number;
    } else if (note == "ts_ms" && decoded.committed_at == 0) {
      decoded.committed_at = number * 1000;
    }
    return true;
  }

  void read_snapshot(std::string_view text) {
    decoded.incremental = text == "incremental";
    decoded.snapshot = !text.empty() && text != "false" && !decoded.incremental;
  }

  bool read_source(ondemand::value value) {
    ondemand::object source;
    if (value.get_object().get(source) != SUCCESS) return false;
    for (auto item : source) {
      ondemand::field field;
      if (std::move(item).get(field) != SUCCESS) return false;
      auto key = field.key();
      auto inner = field.value();
      if (key.unsafe_is_equal("lsn")) {
        bool null = false;
        if (inner.is_null().get(null) != SUCCESS) return false;
        uint64_t lsn = 0;
        if (!null && inner.get_uint64().get(lsn) != SUCCESS) return false;
        decoded.lsn = lsn;
      } else if (key.unsafe_is_equal("snapshot")) {
        std::string_view text;
        bool flag = false;
        if (inner.get_string().get(text) == SUCCESS)
          read_snapshot(text);
        else if (inner.get_bool().get(flag) == SUCCESS)
          decoded.snapshot = flag;
      } else if (key.unsafe_is_equal("ts_us")) {
        int64_t micros = 0;
        if (inner.get_int64().get(micros) == SUCCESS) decoded.committed_at = micros;
      } else if (key.unsafe_is_equal("ts_ms") && decoded.committed_at == 0) {
        int64_t millis = 0;
        if (inner.get_int64().get(millis) == SUCCESS) decoded.committed_at = millis * 1000;
      }
    }
    return true;
  }

  const TableShape& shape() const { return row.shape(); }

  const Decoded& refuse(Failure failure) {
    decoded.kind = Decoded::Kind::refused;
    decoded.rows = 0;
    decoded.reason = failure.reason;
    decoded.column = std::move(failure.column);
    return decoded;
  }

  // A row with nothing but its key: of the old row, or of the message's key.
  Failure append_key(std::string_view json, Block& out) {
    ondemand::document document;
    if (key_parser.iterate(key_text.set(json)).get(document) != SUCCESS) return {not_json, {}};
    ondemand::object object;
    if (document.get_object().get(object) == SUCCESS) return row.append(object, true, out);
    // A key of one column may be sent as the bare value.
    if (shape().key.size() != 1) return {"the message's key is not a JSON object", {}};
    std::string wrapped = "{\"" + shape().key.front() + "\":" + std::string(json) + "}";
    if (key_parser.iterate(key_text.set(wrapped)).get(document) != SUCCESS ||
        document.get_object().get(object) != SUCCESS)
      return {not_json, {}};
    return row.append(object, true, out);
  }

  // Without the schema that may be beside it.
  std::string_view unwrapped_key(std::string_view key) {
    if (!key.starts_with(schema_start)) return key;
    ondemand::document document;
    ondemand::value payload;
    if (key_parser.iterate(key_text.set(key)).get(document) != SUCCESS ||
        document["payload"].get(payload) != SUCCESS)
      return key;
    std::string_view text;
    if (json_text(payload).get(text) != SUCCESS) return key;
    key_payload = text;
    return key_payload;
  }

  const Decoded& remove_by_key(const Message& message, Block& out) {
    if (shape().key.empty()) return refuse({"a message without a value, and the table has no key", {}});
    if (!message.key) return refuse({"a message without key and value", {}});
    if (Failure failure = append_key(unwrapped_key(*message.key), out)) return refuse(std::move(failure));
    decoded.kind = Decoded::Kind::remove;
    decoded.rows = 1;
    return decoded;
  }

  // ---- schemas ----

  struct KnownSchema {
    std::string prefix;  // the message up to its payload
    std::vector<ColumnPlan> plans;
  };

  // Messages of one topic mostly carry the very same schema, which is far larger than the row: it is read
  // once and compared by its bytes from then on. Takes the wrapping off `text`.
  Failure unwrap(std::string_view& text) {
    row.use(nullptr);
    if (!text.starts_with(schema_start)) return {};
    for (auto& known : schemas)
      if (text.size() > known->prefix.size() &&
          std::memcmp(text.data(), known->prefix.data(), known->prefix.size()) == 0) {
        text = text.substr(known->prefix.size(), text.size() - known->prefix.size() - 1);
        row.use(&known->plans);
        return {};
      }
    ondemand::document document;
    ondemand::object root;
    auto padded = whole.set(text);
    if (parser.iterate(padded).get(document) != SUCCESS || document.get_object().get(root) != SUCCESS)
      return {not_json, {}};
    std::string_view schema;
    std::string_view payload;
    for (auto item : root) {
      ondemand::field field;
      if (std::move(item).get(field) != SUCCESS) return {not_json, {}};
      std::string_view key;
      if (field.unescaped_key().get(key) != SUCCESS) return {not_json, {}};
      bool is_schema = key == "schema";
      bool is_payload = key == "payload";
      ondemand::value value = field.value();
      if (!is_schema && !is_payload) return {};  // fields of a row that are called so
      if (json_text(value).get(is_schema ? schema : payload) != SUCCESS) return {not_json, {}};
    }
    if (payload.empty()) return {};
    size_t start = static_cast<size_t>(payload.data() - padded.data());
    auto known = std::make_unique<KnownSchema>();
    known->prefix = text.substr(0, start);
    known->plans = shape().columns;
    if (schema != "null" && options.format != Format::outbox) {
      auto columns = columns_of_schema(schema);
      if (!columns) return {"the message's schema cannot be read", {}};
      for (const auto& column : *columns)
        if (size_t index = row.find(column.name); index != SIZE_MAX) {
          // What the project file says comes first.
          if (shape().columns[index].form != Form::plain) continue;
          known->plans[index].form = column.form;
          known->plans[index].scale = column.scale;
        }
    }
    bool regular = start + payload.size() + 1 == text.size() && text.back() == '}';
    text = text.substr(start, payload.size());
    if (schemas.size() >= limits::schemas_max) schemas.erase(schemas.begin());
    row.use(&known->plans);
    if (regular) {
      schemas.push_back(std::move(known));
    } else {
      spare = std::move(known);
      row.use(&spare->plans);
    }
    return {};
  }

  // ---- formats ----

  const Decoded& debezium(const Message& message, Block& out) {
    // The delete before it said the same.
    if (!message.value) return decoded;
    std::string_view text = *message.value;
    if (Failure failure = unwrap(text)) return refuse(std::move(failure));
    ondemand::document document;
    if (parser.iterate(whole.set(text)).get(document) != SUCCESS) return refuse({not_json, {}});
    bool null = false;
    if (document.is_null().get(null) == SUCCESS && null) return decoded;
    ondemand::object root;
    if (document.get_object().get(root) != SUCCESS) return refuse({not_an_object, {}});
    std::string_view before;
    bool has_row = false;
    bool has_status = false;
    bool has_time = false;
    Failure failure;
    size_t base = out.columns.front().rows();
    for (auto item : root) {
      ondemand::field field;
      if (std::move(item).get(field) != SUCCESS) {
        failure = {not_json, {}};
        break;
      }
      auto key = field.key();
      ondemand::value value = field.value();
      if (key.unsafe_is_equal("after")) {
        ondemand::object object;
        if (value.get_object().get(object) != SUCCESS) {
          if (value.is_null().get(null) == SUCCESS && null) continue;
          failure = {not_an_object, "after"};
          break;
        }
        if (has_row) failure = {comes_twice, "after"};
        if (!failure) failure = row.append(object, false, out);
        if (failure) break;
        has_row = true;
      } else if (key.unsafe_is_equal("before")) {
        if (value.is_null().get(null) == SUCCESS && null) continue;
        if (json_text(value).get(before) != SUCCESS) {
          failure = {not_json, "before"};
          break;
        }
      } else if (key.unsafe_is_equal("source")) {
        if (!read_source(value)) {
          failure = {not_json, "source"};
          break;
        }
      } else if (key.unsafe_is_equal("op")) {
        std::string_view word;
        if (value.get_string().get(word) == SUCCESS && word.size() == 1) operation = word.front();
      } else if (key.unsafe_is_equal("status")) {
        has_status = true;
      } else if (key.unsafe_is_equal("ts_ms")) {
        has_time = true;
      }
    }
    if (!failure && !at_end(document)) failure = {not_json, {}};
    if (!failure) failure = conclude(message, before, has_row, has_status || has_time, out);
    if (!failure) return decoded;
    row.take_back(base, out);
    return refuse(std::move(failure));
  }

  // What the operation makes of what was read.
  Failure conclude(const Message& message, std::string_view before, bool has_row, bool marker, Block& out) {
    switch (operation) {
      case 'c':
      case 'r':
      case 'u':
        if (!has_row) return {"an event of a row without the row", {}};
        if (operation == 'u' && shape().key.empty()) return {"an update of an append-only table", {}};
        decoded.kind = Decoded::Kind::rows;
        decoded.rows = 1;
        return {};
      case 'd': {
        if (has_row) return {"a delete with a new row", {}};
        if (shape().key.empty()) return {"a delete of an append-only table", {}};
        std::string_view json = !before.empty() ? before
                                : message.key   ? unwrapped_key(*message.key)
                                                : std::string_view();
        if (json.empty()) return {"a delete that does not say of which row", {}};
        if (Failure failure = append_key(json, out)) return failure;
        decoded.kind = Decoded::Kind::remove;
        decoded.rows = 1;
        return {};
      }
      case 't':
        decoded.kind = Decoded::Kind::truncate;
        return {};
      case 'm':
        return {};
      case 0:
        // Heartbeats and the markers of transactions.
        if (marker && !has_row && before.empty()) return {};
        return {"the message is not a Debezium envelope (it has no `op`)", {}};
      default:
        return {"an operation that is none of c, u, d, r, t, m", {}};
    }
  }

  const Decoded& flat(const Message& message, Block& out) {
    if (!message.value) {
      decoded.tombstone = true;
      return remove_by_key(message, out);
    }
    std::string_view text = *message.value;
    if (Failure failure = unwrap(text)) return refuse(std::move(failure));
    size_t base = out.columns.front().rows();
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(whole.set(text)).get(document) != SUCCESS) return refuse({not_json, {}});
    bool null = false;
    if (document.is_null().get(null) == SUCCESS && null) {
      decoded.tombstone = true;
      return remove_by_key(message, out);
    }
    if (document.get_object().get(object) != SUCCESS) return refuse({not_an_object, {}});
    Failure failure = row.append(object, false, out);
    if (!failure && !at_end(document)) failure = {not_json, {}};
    // The row of a delete has its key and, without REPLICA IDENTITY FULL, nothing else that is true.
    if (deleted || operation == 'd') {
      row.take_back(base, out);
      if (shape().key.empty()) return refuse({"a delete of an append-only table", {}});
      if (Failure key = append_key(text, out)) return refuse(std::move(key));
      decoded.kind = Decoded::Kind::remove;
      decoded.rows = 1;
      return decoded;
    }
    if (failure) {
      row.take_back(base, out);
      return refuse(std::move(failure));
    }
    if (operation == 'u' && shape().key.empty()) {
      row.take_back(base, out);
      return refuse({"an update of an append-only table", {}});
    }
    decoded.kind = Decoded::Kind::rows;
    decoded.rows = 1;
    return decoded;
  }

  const Decoded& json(const Message& message, Block& out) {
    if (!message.value) return remove_by_key(message, out);
    if (Failure failure = json_row(*message.value, out)) return refuse(std::move(failure));
    decoded.kind = Decoded::Kind::rows;
    decoded.rows = 1;
    return decoded;
  }

  Failure json_row(std::string_view text, Block& out) {
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(whole.set(text)).get(document) != SUCCESS) return {not_json, {}};
    if (document.get_object().get(object) != SUCCESS) return {not_an_object, {}};
    size_t base = out.columns.front().rows();
    Failure failure = row.append(object, false, out);
    if (!failure && !at_end(document)) {
      row.take_back(base, out);
      return {not_json, {}};
    }
    return failure;
  }

  const Decoded& ndjson(const Message& message, Block& out) {
    if (!message.value) return remove_by_key(message, out);
    size_t base = out.columns.front().rows();
    std::string_view rest = *message.value;
    while (!rest.empty()) {
      size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(rest.size(), end + 1));
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      Failure failure = decoded.rows >= limits::documents_max
                            ? Failure{"too many documents in one message", {}}
                            : json_row(line, out);
      if (failure) {
        row.take_back(base, out);
        return refuse(std::move(failure));
      }
      ++decoded.rows;
    }
    if (decoded.rows > 0) decoded.kind = Decoded::Kind::rows;
    return decoded;
  }

  const Decoded& outbox(const Message& message, Block& out) {
    auto id = message.header("id");
    if (!id) return refuse({"an event of an outbox without the header `id`", "id"});
    std::string_view type = message.topic.substr(message.topic.rfind('.') + 1);
    std::string_view event_type;
    for (const char* header : {"eventType", "type"})
      if (auto found = message.header(header)) event_type = *found;
    std::string payload;
    bool has_payload = message.value.has_value();
    std::string enveloped_type;
    if (has_payload) has_payload = outbox_payload(*message.value, payload, enveloped_type);
    if (event_type.empty()) event_type = enveloped_type;
    size_t column = 0;
    out.columns[column++].append_text(*id);
    out.columns[column++].append_text(type);
    if (message.key)
      out.columns[column++].append_text(plain_text(unwrapped_key(*message.key)));
    else
      out.columns[column++].append_null();
    out.columns[column++].append_text(event_type);
    if (has_payload)
      out.columns[column++].append_text(payload);
    else
      out.columns[column++].append_null();
    append_time(message, out.columns[column]);
    decoded.kind = Decoded::Kind::rows;
    decoded.rows = 1;
    return decoded;
  }

  // The payload: bare, as an escaped string, beside a schema, or in an envelope with more fields.
  bool outbox_payload(std::string_view text, std::string& payload, std::string& event_type) {
    [[maybe_unused]] Failure bare = unwrap(text);
    ondemand::document document;
    payload = plain_text(text);
    if (payload == "null" && text == "null") return false;
    if (!text.starts_with('{') || parser.iterate(whole.set(text)).get(document) != SUCCESS) return true;
    ondemand::object object;
    if (document.get_object().get(object) != SUCCESS) return true;
    std::string inner;
    bool found = false;
    for (auto item : object) {
      ondemand::field field;
      std::string_view key;
      if (std::move(item).get(field) != SUCCESS || field.unescaped_key().get(key) != SUCCESS) return true;
      bool is_payload = key == "payload";
      bool is_type = key == "eventType" || key == "type";
      ondemand::value value = field.value();
      std::string_view value_text;
      if (json_text(value).get(value_text) != SUCCESS) return true;
      if (is_payload) {
        inner = plain_text(value_text);
        found = true;
      } else if (is_type) {
        event_type = plain_text(value_text);
      }
    }
    if (found && !event_type.empty())
      payload = inner;
    else
      event_type.clear();
    return true;
  }

  // A JSON string's content; anything else as it is.
  std::string plain_text(std::string_view json) {
    if (!json.starts_with('"')) return std::string(json);
    ondemand::document document;
    std::string_view text;
    if (text_parser.iterate(inner_text.set(json)).get(document) != SUCCESS ||
        document.get_string().get(text) != SUCCESS)
      return std::string(json);
    return std::string(text);
  }

  static void append_time(const Message& message, Column& column) {
    if (message.timestamp_ms > 0)
      column.append<int64_t>(message.timestamp_ms);
    else
      column.append_null();
  }

  const Decoded& lines(const Message& message, Block& out) {
    auto text = [](Column& column, std::optional<std::string_view> value) {
      if (value)
        column.append_text(*value);
      else
        column.append_null();
    };
    out.columns[0].append_text(message.topic);
    out.columns[1].append<int32_t>(message.partition);
    out.columns[2].append<int64_t>(message.offset);
    append_time(message, out.columns[3]);
    text(out.columns[4], message.key);
    text(out.columns[5], message.value);
    decoded.kind = Decoded::Kind::rows;
    decoded.rows = 1;
    return decoded;
  }

  const Decoded& decode(const Message& message, Block& out) {
    decoded = Decoded();
    operation = 0;
    deleted = false;
    row.unchanged().clear();
    switch (options.format) {
      case Format::debezium:
        return debezium(message, out);
      case Format::flat:
        return flat(message, out);
      case Format::outbox:
        return outbox(message, out);
      case Format::json:
        return json(message, out);
      case Format::ndjson:
        return ndjson(message, out);
      case Format::lines:
        return lines(message, out);
    }
    return decoded;
  }

  DecoderOptions options;
  RowDecoder row;
  std::vector<std::unique_ptr<KnownSchema>> schemas;
  std::unique_ptr<KnownSchema> spare;
  ondemand::parser parser, key_parser, text_parser;
  PaddedText whole, key_text, inner_text;
  std::string key_payload;
  Decoded decoded;
  char operation = 0;
  bool deleted = false;
};

MessageDecoder::MessageDecoder(TableShape shape, DecoderOptions options)
    : state_(std::make_unique<State>(std::move(shape), std::move(options))) {}
MessageDecoder::~MessageDecoder() = default;
MessageDecoder::MessageDecoder(MessageDecoder&&) noexcept = default;

const TableShape& MessageDecoder::shape() const {
  return state_->row.shape();
}

const std::vector<size_t>& MessageDecoder::unchanged() const {
  return state_->row.unchanged();
}

const Decoded& MessageDecoder::decode(const Message& message, Block& out) {
  INVARIANT(out.columns.size() >= state_->row.shape().columns.size() && !state_->row.shape().columns.empty());
  return state_->decode(message, out);
}

}  // namespace tidemark::kafka
