#include "models/retention.h"

#include "models/exact_sums.h"

#include <algorithm>

namespace tidemark::models {

bool Retention::read(const ModelSource& source, const std::string& select,
                     std::optional<Retention>& retention) {
  const std::string& expression = source.file.ttl;
  retention.reset();
  if (expression.empty()) return true;
  auto complain = [&](std::string message, std::string remedy) {
    source.complaints.in_header("ttl", std::move(message), std::move(remedy));
    return false;
  };
  auto tokens = tokenize(expression);
  if (!tokens) return complain(tokens.error().message, "write <time column> + INTERVAL 30 DAY");
  for (const auto& token : *tokens)
    if (token.identifier() && source.functions.changes_by_itself(token.name))
      return complain(fmt::format("`{}` gives another answer each time", token.text),
                      "name a time of the row; it is compared with the clock");
  auto type =
      clickhouse::describe_select(source.client, "SELECT (" + expression + ") FROM (" + select + "\n)");
  if (!type) {
    if (type.error().kind != ErrorKind::refused) return complain(type.error().message, type.error().remedy);
    return complain(
        fmt::format("`{}` is no expression over the model's columns: {}", expression, type.error().message),
        "write <time column> + INTERVAL 30 DAY");
  }
  const std::string& found = type->front().type;
  bool nullable = is_nullable(found);
  std::string bare = nullable ? found.substr(found.find("Nullable(") + 9) : found;
  if (!bare.starts_with("Date"))
    return complain(fmt::format("`{}` is a {}, not a time", expression, found),
                    "write <time column> + INTERVAL 30 DAY");
  constexpr std::string_view last = "toDateTime64('2105-12-31 00:00:00', 0, 'UTC')";
  std::string time = fmt::format("toDateTime64({}, 0, 'UTC')", expression);
  if (nullable) time = fmt::format("ifNull({}, {})", time, last);
  retention.emplace();
  const auto& key = source.file.key;
  auto columns = clickhouse::describe_select(source.client, select);
  if (!columns) return complain(columns.error().message, columns.error().remedy);
  for (const auto& token : *tokens) {
    bool column = token.identifier() && std::any_of(columns->begin(), columns->end(),
                                                    [&](const auto& one) { return one.name == token.name; });
    retention->of_key_ &= !column || std::find(key.begin(), key.end(), token.name) != key.end();
  }
  retention->kept_until_ =
      fmt::format("toDateTime(greatest(least({}, {}), toDateTime64('1970-01-01 00:00:00', 0, 'UTC')), 'UTC')",
                  time, last);
  return true;
}

std::string Retention::applied_to(const std::string& select) const {
  return "SELECT * FROM (" + select + "\n) WHERE " + kept_until_ + " > toStartOfHour(now('UTC'))";
}

std::string Retention::clause(std::string_view engine) const {
  // Of a row whose time changed, a newer version may be too old and an older one not: it would come back.
  if (engine.starts_with("ReplacingMergeTree") && !of_key_) return "";
  return " TTL " + kept_until_ + " + INTERVAL 2 HOUR";
}

}  // namespace tidemark::models
