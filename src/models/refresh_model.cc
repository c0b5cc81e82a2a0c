#include "models/refresh_model.h"

#include "clickhouse/schema.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;

constexpr std::string_view clock_functions[] = {
    "now",          "now64",        "today", "yesterday", "curdate", "current_date", "current_timestamp",
    "utctimestamp", "utc_timestamp"};

bool reads_clock(std::string_view function) {
  std::string lower = lower_case(function);
  return std::find(std::begin(clock_functions), std::end(clock_functions), lower) !=
         std::end(clock_functions);
}

// Checked where dictionaries are (dictionary_calls.h).
bool reads_dictionary(std::string_view function) {
  return lower_case(function).starts_with("dict");
}

std::string instant_for(std::string_view function, const std::string& arguments) {
  std::string lower = lower_case(function);
  std::string instant = fmt::format("fromUnixTimestamp64Micro({{{}:Int64}})", refresh_instant);
  if (lower == "now64" || (lower == "current_timestamp" && !arguments.empty()))
    return fmt::format("toDateTime64({}, {})", instant, arguments.empty() ? "3" : arguments);
  if (lower == "now" || lower == "current_timestamp")
    return arguments.empty() ? fmt::format("toDateTime({})", instant)
                             : fmt::format("toDateTime({}, {})", instant, arguments);
  if (lower == "utctimestamp" || lower == "utc_timestamp")
    return fmt::format("toDateTime({}, 'UTC')", instant);
  if (lower == "yesterday") return fmt::format("(toDate({}) - 1)", instant);
  return fmt::format("toDate({})", instant);
}

struct Call {
  size_t token;
  bool clock;
};

// Functions that give another answer each time, the clock among them.
std::vector<Call> changing_calls(const SqlText& text, const FunctionCatalog& functions) {
  std::vector<Call> calls;
  for (size_t index = 0; index < text.tokens.size(); ++index) {
    if (!text.call(index)) continue;
    const std::string& name = text.tokens[index].name;
    if (reads_clock(name))
      calls.push_back({index, true});
    else if (functions.changes_by_itself(name) && !functions.aggregate(name) && !reads_dictionary(name))
      calls.push_back({index, false});
  }
  return calls;
}

bool check_limit(const ModelSource& source, const SqlText& own) {
  std::optional<size_t> set_operation;
  union_branches(own, {0, own.tokens.size()}, set_operation);
  if (set_operation) return true;
  SelectShape shape = shape_of(own, without_brackets(own, {0, own.tokens.size()}));
  const SelectShape::Extra* limit = nullptr;
  bool ordered = false;
  for (const auto& extra : shape.extras) {
    ordered |= extra.what == "ORDER BY";
    if (extra.what == "LIMIT") limit = &extra;
  }
  if (limit == nullptr || ordered) return true;
  source.complaints.at(own.tokens[limit->token].offset,
                       "LIMIT without ORDER BY keeps other rows each time, so the result could not be proven",
                       "add ORDER BY columns that leave no ties");
  return false;
}

}  // namespace

std::string instant_of_fill(const std::string& store) {
  auto tokens = tokenize(store);
  std::string database = tokens ? (*tokens)[0].name : "", table = tokens ? (*tokens)[2].name : "";
  return fmt::format(
      "(SELECT toInt64(toUnixTimestamp(any(metadata_modification_time))) * 1000000 FROM system.tables WHERE "
      "database = "
      "{} AND name = {})",
      clickhouse::quote_string(database), clickhouse::quote_string(table));
}

std::string at_fill(std::string sql, const std::string& store) {
  std::string parameter = fmt::format("{{{}:Int64}}", refresh_instant), instant = instant_of_fill(store);
  for (size_t at = 0; (at = sql.find(parameter, at)) != std::string::npos; at += instant.size())
    sql.replace(at, parameter.size(), instant);
  return sql;
}

Result<std::string> at_instant(const std::string& sql) {
  std::unique_ptr<SqlText> text = TRY(SqlText::read(sql));
  std::string out;
  size_t copied = 0;
  for (size_t index = 0; index < text->tokens.size(); ++index) {
    if (!text->call(index) || !reads_clock(text->tokens[index].name)) continue;
    size_t open = index + 1, close = text->partner[open];
    if (close == std::string::npos) continue;
    size_t begin = text->tokens[index].offset;
    out += sql.substr(copied, begin - copied);
    size_t inside = text->tokens[open].end();
    std::string arguments = close == open + 1 ? "" : sql.substr(inside, text->tokens[close].offset - inside);
    out += instant_for(text->tokens[index].name, arguments);
    copied = text->tokens[close].end();
    index = close;
  }
  return out + sql.substr(copied);
}

std::optional<RefreshModel> compile_refresh(const ModelSource& source, const SqlText& own,
                                            const std::string& filled, const std::string& recompute,
                                            const std::vector<clickhouse::ColumnDescription>& columns) {
  Complaints& complaints = source.complaints;
  auto whole = SqlText::read(filled);
  if (!whole) {
    complaints.at(0, whole.error().message, whole.error().remedy);
    return std::nullopt;
  }
  bool own_complaint = false;
  for (const Call& call : changing_calls(own, source.functions)) {
    if (call.clock && source.file.every_seconds > 0) continue;
    own_complaint = true;
    const Token& token = own.tokens[call.token];
    if (call.clock)
      complaints.at(
          token.offset,
          fmt::format("{}() moves on although nothing changes, and this model is refreshed only on change",
                      token.text),
          "add a header line that says how old it may become: -- every: 1m");
    else
      complaints.at(
          token.offset,
          fmt::format("{}() gives another answer each time, so the result could not be proven", token.text),
          "leave it out of this refresh model and apply it in a `-- kind: view` model on top");
  }
  if (!own_complaint)
    for (const Call& call : changing_calls(**whole, source.functions)) {
      if (call.clock && source.file.every_seconds > 0) continue;
      complaints.at(
          0,
          fmt::format("a view that this model reads calls {}(){}", (*whole)->tokens[call.token].text,
                      call.clock ? ", which moves on although nothing changes"
                                 : ", which gives another answer each time"),
          call.clock ? "add a header line that says how old it may become: -- every: 1m"
                     : "read tables or other models");
      break;
    }
  if (!check_limit(source, own) || complaints.any()) return std::nullopt;

  RefreshModel model;
  auto fill = at_instant(filled), again = at_instant(recompute);
  if (!fill || !again) return std::nullopt;  // both tokenized above
  model.fill_select = std::move(*fill);
  model.recompute = std::move(*again);
  std::vector<std::string> definitions, names;
  for (const auto& column : columns) {
    definitions.push_back(quote_identifier(column.name) + " " + column.type);
    names.push_back(column.name);
  }
  model.store_columns = joined(definitions);
  std::vector<std::string> sorting = source.file.order_by;
  if (sorting.empty())
    for (const auto& key : source.file.key) {
      if (std::find(names.begin(), names.end(), key) == names.end()) {
        complaints.in_header(
            "key", fmt::format("`{}` is not a column of the result{}", key, config::did_you_mean(key, names)),
            "name output columns");
        return std::nullopt;
      }
      sorting.push_back(quote_identifier(key));
    }
  model.engine = "MergeTree";
  if (!source.file.partition_by.empty()) model.engine += " PARTITION BY " + source.file.partition_by;
  model.engine += sorting.empty() ? " ORDER BY tuple()" : " ORDER BY (" + joined(sorting) + ")";
  return model;
}

}  // namespace tidemark::models
