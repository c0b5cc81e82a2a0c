#include "ingest/file_records.h"

#include "ingest/json_walk.h"
#include "ingest/load_limits.h"
#include "kafka/debezium_value.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::ingest {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::SUCCESS;

std::string_view trimmed_line(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
    line.remove_suffix(1);
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  return line;
}

std::string too_long() {
  return fmt::format("a record has at most {} bytes", limits::load_record_bytes_max);
}

// Lines, however the pieces are cut. A line past the bound is kept up to it, and passed over to its end.
class Lines final : public RecordSplitter {
 public:
  explicit Lines(Take take) : take_(std::move(take)) {}
  Status put(std::string_view piece) override {
    while (!piece.empty()) {
      size_t end = piece.find('\n');
      std::string_view part = piece.substr(0, end);
      if (rest_.empty() && !long_ && end != std::string_view::npos) {
        TRY_VOID(give(part));
      } else {
        if (rest_.size() + part.size() > limits::load_record_bytes_max) long_ = true;
        if (!long_) rest_ += part;
        if (end != std::string_view::npos) TRY_VOID(give_rest());
      }
      piece.remove_prefix(end == std::string_view::npos ? piece.size() : end + 1);
    }
    return {};
  }
  Status finish() override { return rest_.empty() && !long_ ? Status() : give_rest(); }

 private:
  Status give_rest() {
    Status given = give(rest_);
    rest_.clear();
    long_ = false;
    return given;
  }
  Status give(std::string_view line) {
    line = trimmed_line(line);
    if (line.empty() && !long_) return {};
    FileRecord record{.number = number_++, .json = {}, .bytes = line, .reason = {}};
    if (long_)
      record.reason = too_long();
    else if (!line.starts_with('{'))
      record.reason = "the line is no JSON object";
    else
      record.json = line;
    return take_(record);
  }

  Take take_;
  std::string rest_;
  bool long_ = false;
  uint64_t number_ = 0;
};

class Document final : public RecordSplitter {
 public:
  explicit Document(Take take) : take_(std::move(take)) {}
  Status put(std::string_view piece) override {
    if (text_.size() + piece.size() > limits::load_document_bytes_max)
      return fail(ErrorKind::limit,
                  fmt::format("a JSON document has at most {} bytes", limits::load_document_bytes_max),
                  "Make a line of each object: jq -c '.[]' file.json > file.ndjson");
    text_ += piece;
    return {};
  }
  Status finish() override {
    std::string_view text = trimmed_json(trimmed_line(text_));
    if (text.empty()) return {};
    std::string inner;
    if (text.starts_with('{')) {
      if (!is_json_object(text)) return broken();
      if (single_member(text, inner)) text = inner;
      if (text.starts_with('{')) return give(text);
    }
    PaddedCopy padded;
    ondemand::parser parser;
    ondemand::document document;
    ondemand::array array;
    if (parser.iterate(padded.set(text)).get(document) != SUCCESS ||
        document.get_array().get(array) != SUCCESS)
      return broken();
    for (auto result : array) {
      ondemand::value value;
      std::string_view element;
      if (std::move(result).get(value) != SUCCESS || read_json(value, element) != SUCCESS) return broken();
      TRY_VOID(give(element));
    }
    return {};
  }

 private:
  static tl::unexpected<Error> broken() {
    return fail(ErrorKind::corrupt, "the file is no JSON document",
                "A file with an object a line: --format ndjson");
  }
  Status give(std::string_view element) {
    FileRecord record{.number = number_++, .json = {}, .bytes = element, .reason = {}};
    if (element.size() > limits::load_record_bytes_max)
      record.reason = too_long();
    else if (!element.starts_with('{'))
      record.reason = "it is no JSON object";
    else
      record.json = element;
    return take_(record);
  }
  // {"orders": [...]} and {"order": {...}}: what is inside. Not of an array of numbers: that is a record.
  static bool single_member(std::string_view text, std::string& inner) {
    PaddedCopy padded;
    ondemand::parser parser;
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(padded.set(text)).get(document) != SUCCESS ||
        document.get_object().get(object) != SUCCESS)
      return false;
    size_t members = 0;
    for (auto result : object) {
      ondemand::field field;
      std::string_view value;
      if (std::move(result).get(field) != SUCCESS || read_json(field.value(), value) != SUCCESS) return false;
      if (++members > 1) return false;
      inner = value;
    }
    if (members != 1) return false;
    std::string_view begin = inner;
    if (begin.starts_with('{')) return true;
    if (!begin.starts_with('[')) return false;
    begin.remove_prefix(1);
    while (!begin.empty() && std::string_view(" \t\r\n").find(begin.front()) != std::string_view::npos)
      begin.remove_prefix(1);
    return begin.starts_with('{') || begin.starts_with(']');
  }

  Take take_;
  std::string text_;
  uint64_t number_ = 0;
};

class Separated final : public RecordSplitter {
 public:
  Separated(RecordOptions options, Take take)
      : separator_(options.format == FileFormat::tsv ? '\t' : ','),
        nulls_(std::move(options.nulls)),
        take_(std::move(take)) {}

  Status put(std::string_view piece) override {
    for (char letter : piece) TRY_VOID(put(letter));
    return {};
  }
  Status finish() override {
    if (state_ == State::quoted) {
      bad_ = "a quote is not closed";
      return end_record();
    }
    if (!raw_.empty()) return end_record();
    return {};
  }

 private:
  enum class State : uint8_t { start, plain, quoted, after_quote };
  struct Field {
    std::string text;
    bool quoted = false;
  };

  Status put(char letter) {
    if (state_ == State::quoted) {
      keep(letter);
      if (letter == '"')
        state_ = State::after_quote;
      else
        add(letter);
      return {};
    }
    if (letter == '\n') return end_record();
    keep(letter);
    if (letter == separator_) {
      end_field();
    } else if (letter == '"' && state_ == State::start) {
      state_ = State::quoted;
      field_.quoted = true;
    } else if (letter == '"' && state_ == State::after_quote) {
      add('"');
      state_ = State::quoted;
    } else {
      // After a closed quote only a line's \r may come.
      if (state_ == State::after_quote && letter != '\r') bad_ = "text after a closed quote";
      if (state_ == State::start) state_ = State::plain;
      add(letter);
    }
    return {};
  }
  void keep(char letter) {
    if (raw_.size() < limits::load_record_bytes_max)
      raw_.push_back(letter);
    else
      bad_ = too_long();
  }
  void add(char letter) {
    if (raw_.size() < limits::load_record_bytes_max) field_.text.push_back(letter);
  }
  void end_field() {
    fields_.push_back(std::move(field_));
    field_ = {};
    state_ = State::start;
  }
  Status end_record() {
    if (!raw_.empty() && raw_.back() == '\r') {
      raw_.pop_back();
      if (!field_.text.empty()) field_.text.pop_back();
    }
    end_field();
    Status given = raw_.empty() ? Status() : names_.empty() ? take_names() : give();
    fields_.clear();
    raw_.clear();
    bad_.clear();
    return given;
  }
  Status take_names() {
    if (!bad_.empty()) return fail(ErrorKind::corrupt, "the first line does not name the fields: " + bad_);
    for (auto& field : fields_) {
      std::string name(trimmed_line(field.text));
      if (name.empty() || std::find(names_.begin(), names_.end(), name) != names_.end())
        return fail(ErrorKind::config,
                    fmt::format("the first line names `{}` {}", name, name.empty() ? "as a field" : "twice"),
                    "The first line has a name for each field.");
      names_.push_back(std::move(name));
    }
    return {};
  }
  Status give() {
    FileRecord record{.number = number_++, .json = {}, .bytes = raw_, .reason = bad_};
    if (bad_.empty() && fields_.size() != names_.size())
      record.reason = fmt::format("{} fields instead of {}", fields_.size(), names_.size());
    if (record.reason.empty()) {
      json_ = "{";
      for (size_t index = 0; index < names_.size(); ++index) {
        const Field& field = fields_[index];
        if (index > 0) json_.push_back(',');
        kafka::append_json_string(names_[index], json_);
        json_.push_back(':');
        bool null = !field.quoted && (field.text.empty() ||
                                      std::find(nulls_.begin(), nulls_.end(), field.text) != nulls_.end());
        if (null)
          json_ += "null";
        else
          kafka::append_json_string(field.text, json_);
      }
      json_.push_back('}');
      record.json = json_;
    }
    return take_(record);
  }

  const char separator_;
  const std::vector<std::string> nulls_;
  Take take_;
  State state_ = State::start;
  Field field_;
  std::vector<Field> fields_;
  std::vector<std::string> names_;
  std::string raw_, bad_, json_;
  uint64_t number_ = 0;
};

}  // namespace

Result<FileFormat> format_of(const std::string& file_name) {
  std::string name = file_name;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* packed : {".gz", ".zst", ".zstd"})
    if (name.ends_with(packed)) name.resize(name.size() - std::string_view(packed).size());
  const std::pair<const char*, FileFormat> known[] = {
      {".ndjson", FileFormat::ndjson}, {".jsonl", FileFormat::ndjson}, {".json", FileFormat::json},
      {".csv", FileFormat::csv},       {".tsv", FileFormat::tsv},      {".parquet", FileFormat::parquet}};
  for (const auto& [ending, format] : known)
    if (name.ends_with(ending)) return format;
  return fail(ErrorKind::usage, fmt::format("what is in {} does not show in its name", file_name),
              "Say it: --format ndjson, json, csv, tsv or parquet");
}

std::unique_ptr<RecordSplitter> RecordSplitter::make(RecordOptions options, Take take) {
  switch (options.format) {
    case FileFormat::json:
      return std::make_unique<Document>(std::move(take));
    case FileFormat::csv:
    case FileFormat::tsv:
      return std::make_unique<Separated>(std::move(options), std::move(take));
    case FileFormat::ndjson:
    case FileFormat::parquet:
      break;  // comes as lines from the server
  }
  return std::make_unique<Lines>(std::move(take));
}

}  // namespace tidemark::ingest
