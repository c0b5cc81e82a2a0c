#include "ingest/tracking_document.h"

#include "ingest/content_hash.h"
#include "ingest/event_time.h"
#include "ingest/json_walk.h"

#include <fmt/format.h>
#include <unordered_map>

namespace tidemark::ingest {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;
using simdjson::SUCCESS;

namespace {

// What a field of an item is. Everything else is kept in `other`.
enum class Field : uint8_t { text, name, object, time, ours, type };

struct FieldRule {
  Field field;
  EventText column = EventText::other;
};

const std::unordered_map<std::string_view, FieldRule>& rules() {
  static const std::unordered_map<std::string_view, FieldRule> table = {
      {"messageId", {Field::text, EventText::message_id}},
      {"type", {Field::type}},
      {"event", {Field::text, EventText::event}},
      {"name", {Field::name}},
      {"category", {Field::text, EventText::category}},
      {"userId", {Field::text, EventText::user_id}},
      {"anonymousId", {Field::text, EventText::anonymous_id}},
      {"groupId", {Field::text, EventText::group_id}},
      {"previousId", {Field::text, EventText::previous_id}},
      {"channel", {Field::text, EventText::channel}},
      {"properties", {Field::object, EventText::properties}},
      {"traits", {Field::object, EventText::traits}},
      {"context", {Field::object, EventText::context}},
      {"integrations", {Field::object, EventText::integrations}},
      {"timestamp", {Field::time}},
      {"originalTimestamp", {Field::time}},
      {"sentAt", {Field::time}},
      // Said by the server, or not for the table.
      {"receivedAt", {Field::ours}},
      {"writeKey", {Field::ours}},
      {"batch", {Field::ours}},
  };
  return table;
}

constexpr std::string_view types[] = {"identify", "track", "page", "screen", "group", "alias"};

std::string hashed_id(std::string_view item, int64_t received_at, uint64_t place, size_t index) {
  std::string text = fmt::format("{}:{}:{}:", received_at, place, index);
  text += item;
  return "tidemark-" + content_hash(text);
}

}  // namespace

struct TrackingReader::State {
  ondemand::parser parser;
  PaddedCopy body;
  size_t body_size = 0;
  std::string type;  // of the address
  std::string key;
  std::string_view batch;  // the array's text, in `body`
  bool is_batch = false;

  // What holds for all items of a batch.
  std::string common_context, common_integrations, common_channel;
  std::optional<int64_t> common_timestamp, common_original, common_sent_at;

  std::vector<ItemReason> reasons;
  size_t items = 0;

  // Contexts repeat from item to item: one look at each is enough.
  std::string known_context, known_library;
  ondemand::parser small_parser;
  PaddedCopy small_text;
  std::string merged_context, merged_integrations;

  // Of the item being read.
  struct Item {
    EventRow row;
    std::string_view type, name, name_json;
    std::optional<int64_t> timestamp, original;
    std::string other, id;
    std::string_view code;
    std::string reason;

    void refuse(std::string_view word, std::string text) {
      if (!code.empty()) return;
      code = word;
      reason = std::move(text);
    }
  };

  // Of an object: name and text of each field.
  error_code top_fields(std::string_view object_text,
                        std::vector<std::pair<std::string, std::string_view>>& fields) {
    ondemand::document document;
    if (auto error = small_parser.iterate(small_text.set(object_text)).get(document); error != SUCCESS)
      return error;
    ondemand::object object;
    if (auto error = document.get_object().get(object); error != SUCCESS) return error;
    for (auto result : object) {
      ondemand::field field;
      if (auto error = std::move(result).get(field); error != SUCCESS) return error;
      std::string_view name, text;
      if (auto error = field.unescaped_key().get(name); error != SUCCESS) return error;
      std::string copy(name);
      if (auto error = read_json(field.value(), text); error != SUCCESS) return error;
      fields.emplace_back(std::move(copy), text);
    }
    return SUCCESS;
  }

  // Fields of `common` that `own` has not, before those it has. Both are sound objects.
  void merge(std::string_view common, std::string_view own, std::string& merged) {
    std::vector<std::pair<std::string, std::string_view>> own_fields, common_fields;
    top_fields(own, own_fields);
    std::vector<std::string> names;
    for (auto& [name, text] : own_fields) names.push_back(std::move(name));
    merged = "{";
    top_fields(common, common_fields);
    for (const auto& [name, text] : common_fields) {
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      if (merged.size() > 1) merged += ',';
      // The name as it was written: it stands before the value's text.
      append_quoted(merged, name);
      merged += ':';
      merged += text;
    }
    std::string_view inside = own.substr(1);
    if (merged.size() > 1 && !names.empty()) merged += ',';
    merged += inside;
  }

  static void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (char character : text) {
      if (character == '"' || character == '\\') out += '\\';
      if (static_cast<unsigned char>(character) < 0x20)
        out += fmt::format("\\u{:04x}", static_cast<unsigned char>(character));
      else
        out += character;
    }
    out += '"';
  }

  // "analytics-node/3.1.0", as the context says.
  std::string_view library_of(std::string_view context) {
    if (context == known_context) return known_library;
    known_context = context;
    known_library.clear();
    std::vector<std::pair<std::string, std::string_view>> fields, parts;
    if (top_fields(context, fields) != SUCCESS) return known_library;
    for (const auto& [name, text] : fields)
      if (name == "library" && text.starts_with('{')) {
        std::string copy(text);
        if (top_fields(copy, parts) != SUCCESS) return known_library;
        auto inner = [&](std::string_view wanted) {
          for (const auto& [part, value] : parts)
            if (part == wanted && value.size() > 2 && value.front() == '"')
              return std::string(value.substr(1, value.size() - 2));
          return std::string();
        };
        known_library = inner("name");
        if (std::string number = inner("version"); !number.empty()) known_library += "/" + number;
        break;
      }
    return known_library;
  }

  // nullptr-like: SUCCESS and `text` set, or the item is refused; another error ends the body.
  error_code read_text(ondemand::value value, std::string_view name, std::string_view& text, Item& item) {
    ondemand::json_type type;
    if (auto error = value.type().get(type); error != SUCCESS) return error;
    if (type == ondemand::json_type::string) {
      if (auto error = value.get_string().get(text); error != SUCCESS) return error;
      if (text.size() > limits::event_identifier_bytes_max)
        item.refuse("too_large",
                    fmt::format("{} is longer than {} bytes", name, limits::event_identifier_bytes_max));
      return SUCCESS;
    }
    std::string_view json;
    if (auto error = read_json(value, json); error != SUCCESS) return error;
    if (type == ondemand::json_type::number)
      text = json;
    else if (type != ondemand::json_type::null)
      item.refuse("bad_field", fmt::format("{} is not text", name));
    return SUCCESS;
  }

  error_code read_time(ondemand::value value, std::string_view name, std::optional<int64_t>& time,
                       Item& item) {
    ondemand::json_type type;
    if (auto error = value.type().get(type); error != SUCCESS) return error;
    if (type == ondemand::json_type::string) {
      std::string_view text;
      if (auto error = value.get_string().get(text); error != SUCCESS) return error;
      time = parse_event_time(text);
      if (!time) item.refuse("bad_time", fmt::format("{} is no time (ISO 8601) between 1900 and 2299", name));
      return SUCCESS;
    }
    std::string_view json;
    if (auto error = read_json(value, json); error != SUCCESS) return error;
    if (type == ondemand::json_type::number) {
      time = event_time_of_number(std::strtod(std::string(json).c_str(), nullptr));
      if (!time) item.refuse("bad_time", fmt::format("{} is no time between 1900 and 2299", name));
    } else if (type != ondemand::json_type::null) {
      item.refuse("bad_field", fmt::format("{} is not a time", name));
    }
    return SUCCESS;
  }

  error_code read_object(ondemand::value value, std::string_view name, std::string_view& text, Item& item) {
    ondemand::json_type type;
    if (auto error = value.type().get(type); error != SUCCESS) return error;
    std::string_view json;
    if (auto error = read_json(value, json, [&](std::string_view seen) { return seen == known_context; });
        error != SUCCESS)
      return error;
    if (type == ondemand::json_type::object)
      text = json;
    else if (type != ondemand::json_type::null)
      item.refuse("bad_field", fmt::format("{} is not an object", name));
    return SUCCESS;
  }

  error_code read_item(ondemand::object object, Item& item) {
    for (auto result : object) {
      ondemand::field field;
      if (auto error = std::move(result).get(field); error != SUCCESS) return error;
      std::string_view name;
      if (auto error = field.unescaped_key().get(name); error != SUCCESS) return error;
      auto rule = rules().find(name);
      error_code error = SUCCESS;
      std::string_view ignored;
      if (rule == rules().end()) {
        std::string_view json;
        error = read_json(field.value(), json);
        keep(name, json, item);
      } else {
        switch (rule->second.field) {
          case Field::text:
            error = read_text(field.value(), name, item.row[rule->second.column], item);
            break;
          case Field::type:
            error = read_text(field.value(), name, item.type, item);
            break;
          case Field::name: {
            ondemand::value value = field.value();
            item.name_json = trimmed_json(value.raw_json_token());
            error = read_text(value, name, item.name, item);
            break;
          }
          case Field::object:
            error = read_object(field.value(), name, item.row[rule->second.column], item);
            break;
          case Field::time:
            error = read_time(field.value(), name,
                              name == "sentAt"      ? item.row.sent_at
                              : name == "timestamp" ? item.timestamp
                                                    : item.original,
                              item);
            break;
          case Field::ours:
            error = read_json(field.value(), ignored);
            break;
        }
      }
      if (error != SUCCESS) return error;
    }
    return SUCCESS;
  }

  static void keep(std::string_view name, std::string_view json, Item& item) {
    item.other += item.other.empty() ? '{' : ',';
    append_quoted(item.other, name);
    item.other += ':';
    item.other += json;
  }

  // What the item's type needs, and what follows from the whole of it.
  void complete(Item& item, int64_t received_at) {
    EventRow& row = item.row;
    if (!is_batch && type != "event") item.type = type;
    if (std::find(std::begin(types), std::end(types), item.type) == std::end(types))
      return item.refuse("unknown_type",
                         item.type.empty() ? "it has no type"
                                           : fmt::format("its type is none of identify, track, page, screen, "
                                                         "group, alias"));
    row[EventText::type] = item.type;
    bool is_view = item.type == "page" || item.type == "screen";
    if (is_view && row[EventText::event].empty())
      row[EventText::event] = item.name;
    else if (!item.name_json.empty())
      keep("name", item.name_json, item);
    if (row[EventText::user_id].empty() && row[EventText::anonymous_id].empty())
      return item.refuse("no_identity", "it has neither userId nor anonymousId");
    if (item.type == "track" && row[EventText::event].empty())
      return item.refuse("no_event", "a track call needs the name of its event");
    if (item.type == "group" && row[EventText::group_id].empty())
      return item.refuse("no_group", "a group call needs groupId");
    if (item.type == "alias" && row[EventText::previous_id].empty())
      return item.refuse("no_previous", "an alias call needs previousId");
    if (!item.other.empty()) item.other += '}';
    row[EventText::other] = item.other;
    if (row[EventText::channel].empty()) row[EventText::channel] = common_channel;
    share(common_context, EventText::context, merged_context, row);
    share(common_integrations, EventText::integrations, merged_integrations, row);
    if (!row[EventText::context].empty()) row[EventText::library] = library_of(row[EventText::context]);

    if (!row.sent_at) row.sent_at = common_sent_at;
    if (!item.original) item.original = item.timestamp;
    if (!item.original) item.original = common_original ? common_original : common_timestamp;
    row.original_timestamp = item.original;
    row.timestamp = received_at;
    if (item.original && row.sent_at)
      row.timestamp = received_at - (*row.sent_at - *item.original);
    else if (item.original)
      row.timestamp = *item.original;
    if (!is_event_time(row.timestamp))
      item.refuse("bad_time", "its time, corrected by sentAt, is not between 1900 and 2299");
  }

  void share(const std::string& common, EventText column, std::string& merged, EventRow& row) {
    if (common.empty()) return;
    if (row[column].empty()) {
      row[column] = common;
      return;
    }
    if (row[column] == common) return;
    merge(common, row[column], merged);
    row[column] = merged;
  }

  void refuse(size_t index, std::string_view item_text, Item& item, EventRecordWriter& out) {
    out.refuse(item.reason, item_text.substr(0, limits::event_quarantine_bytes_max));
    reasons.push_back({.index = index,
                       .message_id = std::string(item.row[EventText::message_id]),
                       .code = item.code,
                       .reason = std::move(item.reason)});
  }

  // One item, whose text is `text`.
  error_code take(ondemand::object object, std::string_view text, int64_t received_at, uint64_t place,
                  EventRecordWriter& out) {
    size_t index = items++;
    Item item;
    if (text.size() > limits::event_bytes_max) {
      item.refuse("too_large", fmt::format("it has {} bytes, and at most {} are taken", text.size(),
                                           limits::event_bytes_max));
      refuse(index, text, item, out);
      return SUCCESS;
    }
    if (auto error = read_item(object, item); error != SUCCESS) return error;
    if (item.code.empty()) complete(item, received_at);
    if (!item.code.empty()) {
      refuse(index, text, item, out);
      return SUCCESS;
    }
    if (item.row[EventText::message_id].empty()) {
      item.id = hashed_id(text, received_at, place, index);
      item.row[EventText::message_id] = item.id;
    }
    out.add(item.row);
    return SUCCESS;
  }

  error_code read_top();
  error_code read_items(int64_t received_at, uint64_t place, EventRecordWriter& out);
};

error_code TrackingReader::State::read_top() {
  ondemand::document document;
  if (auto error = parser
                       .iterate(simdjson::padded_string_view(body.view(body_size).data(), body_size,
                                                             body_size + simdjson::SIMDJSON_PADDING))
                       .get(document);
      error != SUCCESS)
    return error;
  ondemand::object object;
  if (auto error = document.get_object().get(object); error != SUCCESS) return error;
  Item common;  // its reasons do not matter: a batch's field that is wrong is as if it was not there
  for (auto result : object) {
    ondemand::field field;
    if (auto error = std::move(result).get(field); error != SUCCESS) return error;
    std::string_view name;
    if (auto error = field.unescaped_key().get(name); error != SUCCESS) return error;
    ondemand::json_type value_type;
    ondemand::value value = field.value();
    if (auto error = value.type().get(value_type); error != SUCCESS) return error;
    std::string_view text;
    error_code error = SUCCESS;
    if (name == "writeKey") {
      error = read_text(value, name, text, common);
      key = text;
    } else if (name == "batch" && value_type == ondemand::json_type::array) {
      ondemand::array array;
      error = value.get_array().get(array);
      if (error == SUCCESS) error = array.raw_json().get(batch);
      is_batch = true;
    } else if (name == "context" || name == "integrations") {
      error = read_object(value, name, text, common);
      (name == "context" ? common_context : common_integrations) = text;
    } else if (name == "channel") {
      error = read_text(value, name, text, common);
      common_channel = text;
    } else if (name == "timestamp") {
      error = read_time(value, name, common_timestamp, common);
    } else if (name == "originalTimestamp") {
      error = read_time(value, name, common_original, common);
    } else if (name == "sentAt") {
      error = read_time(value, name, common_sent_at, common);
    }
    if (error != SUCCESS) return error;
  }
  // There is a place to be at only when something follows.
  const char* behind = nullptr;
  return document.current_location().get(behind) == SUCCESS ? simdjson::TAPE_ERROR : SUCCESS;
}

error_code TrackingReader::State::read_items(int64_t received_at, uint64_t place, EventRecordWriter& out) {
  ondemand::document document;
  std::string_view text = is_batch ? batch : body.view(body_size);
  size_t room =
      static_cast<size_t>(body.view(body_size).data() + body_size - text.data()) + simdjson::SIMDJSON_PADDING;
  if (auto error = parser.iterate(simdjson::padded_string_view(text.data(), text.size(), room)).get(document);
      error != SUCCESS)
    return error;
  if (!is_batch) {
    ondemand::object object;
    if (auto error = document.get_object().get(object); error != SUCCESS) return error;
    return take(object, trimmed_json(text), received_at, place, out);
  }
  ondemand::array array;
  if (auto error = document.get_array().get(array); error != SUCCESS) return error;
  for (auto result : array) {
    ondemand::value value;
    if (auto error = std::move(result).get(value); error != SUCCESS) return error;
    ondemand::json_type value_type;
    if (auto error = value.type().get(value_type); error != SUCCESS) return error;
    if (items >= limits::event_batch_items_max) return simdjson::CAPACITY;
    std::string_view item_text;
    if (value_type != ondemand::json_type::object) {
      if (auto error = read_json(value, item_text); error != SUCCESS) return error;
      Item item;
      item.refuse("bad_field", "it is not an object");
      refuse(items++, item_text, item, out);
      continue;
    }
    ondemand::object object;
    if (auto error = value.get_object().get(object); error != SUCCESS) return error;
    if (auto error = object.raw_json().get(item_text); error != SUCCESS) return error;
    bool ignored = false;
    if (auto error = object.reset().get(ignored); error != SUCCESS) return error;
    if (auto error = take(object, trimmed_json(item_text), received_at, place, out); error != SUCCESS)
      return error;
  }
  return SUCCESS;
}

TrackingReader::TrackingReader() : state_(std::make_unique<State>()) {}
TrackingReader::~TrackingReader() = default;

namespace {

Status not_json(error_code error) {
  return fail(ErrorKind::corrupt,
              fmt::format("the body is not a JSON object this API knows: {}", simdjson::error_message(error)),
              "see docs/EVENTS.md");
}

}  // namespace

Status TrackingReader::open(std::string_view body, std::string_view type) {
  State& state = *state_;
  if (body.starts_with("\xef\xbb\xbf")) body.remove_prefix(3);
  state.body.set(body);
  state.body_size = body.size();
  state.type = type == "batch" ? "event" : type;
  state.key.clear();
  state.is_batch = false;
  state.batch = {};
  state.common_context.clear();
  state.common_integrations.clear();
  state.common_channel.clear();
  state.common_timestamp = state.common_original = state.common_sent_at = std::nullopt;
  state.reasons.clear();
  state.items = 0;
  if (error_code error = state.read_top(); error != SUCCESS) return not_json(error);
  if (!state.is_batch) {
    // Its fields are the item's own.
    state.common_context.clear();
    state.common_integrations.clear();
  } else if (type != "batch" && type != "event") {
    return fail(ErrorKind::corrupt, "a batch is sent to an address of single events", "send it to /v1/batch");
  }
  if (type == "batch" && !state.is_batch)
    return fail(ErrorKind::corrupt, "the body has no list `batch`",
                "send one event to /v1/track, /v1/identify, ...");
  return {};
}

std::string_view TrackingReader::write_key() const {
  return state_->key;
}

Status TrackingReader::read(int64_t received_at, uint64_t place, EventRecordWriter& out) {
  if (error_code error = state_->read_items(received_at, place, out); error != SUCCESS)
    return not_json(error);
  return {};
}

const std::vector<ItemReason>& TrackingReader::reasons() const {
  return state_->reasons;
}
size_t TrackingReader::items() const {
  return state_->items;
}

}  // namespace tidemark::ingest
