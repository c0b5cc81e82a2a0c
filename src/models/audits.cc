#include "models/audits.h"

#include "base/limits.h"
#include "models/model_source.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

struct AuditCall {
  std::string name;
  std::vector<std::string> arguments;  // trimmed, as written
};

tl::unexpected<Error> wrong(const CompiledModel& model, const std::string& audit, std::string what) {
  return fail(ErrorKind::config, fmt::format("{}: audit `{}`: {}", model.file.file.string(), audit, what),
              "audits: not_null(column), unique(column, ...), accepted_values(column, value, ...), "
              "relationships(column, table, column), row_count(min = n, max = m)");
}

// Values may hold spaces ("on track"), so this splits text, not tokens; commas inside quotes stay.
Result<AuditCall> parse(const CompiledModel& model, const std::string& audit) {
  size_t open = audit.find('('), close = audit.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open)
    return wrong(model, audit, "not of the form name(arguments)");
  AuditCall call;
  auto trimmed = [](std::string_view text) {
    size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
    return first == std::string_view::npos ? std::string()
                                           : std::string(text.substr(first, last - first + 1));
  };
  call.name = trimmed(std::string_view(audit).substr(0, open));
  std::string argument;
  char quote = 0;
  for (char c : audit.substr(open + 1, close - open - 1)) {
    if (quote == 0 && c == ',') {
      call.arguments.push_back(trimmed(argument));
      argument.clear();
      continue;
    }
    if (quote == 0 && (c == '\'' || c == '`'))
      quote = c;
    else if (c == quote)
      quote = 0;
    argument += c;
  }
  if (!trimmed(argument).empty() || !call.arguments.empty()) call.arguments.push_back(trimmed(argument));
  return call;
}

std::string unquoted(const std::string& text) {
  if (text.size() >= 2 && (text[0] == '\'' || text[0] == '`') && text.back() == text[0])
    return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

Result<std::string> audit_query(const CompiledModel& model, const std::string& audit) {
  AuditCall call = TRY(parse(model, audit));
  std::string table = clickhouse::quote_table(model.file.database, model.file.name);
  auto column = [&](size_t index) -> Result<std::string> {
    std::string name = index < call.arguments.size() ? unquoted(call.arguments[index]) : "";
    std::vector<std::string> names;
    for (const auto& known : model.columns) names.push_back(known.name);
    if (std::find(names.begin(), names.end(), name) == names.end())
      return wrong(model, audit,
                   fmt::format("the model has no column `{}`{}", name, config::did_you_mean(name, names)));
    return quote_identifier(name);
  };
  std::vector<std::string> columns;
  if (call.name == "not_null" || call.name == "unique") {
    for (size_t index = 0; index < std::max<size_t>(1, call.arguments.size()); ++index)
      columns.push_back(TRY(column(index)));
    if (call.name == "unique")
      return fmt::format("SELECT {0}, count() AS times FROM {1} GROUP BY {0} HAVING times > 1",
                         joined(columns), table);
    std::vector<std::string> nulls;
    for (const auto& one : columns) nulls.push_back(one + " IS NULL");
    return fmt::format("SELECT * FROM {} WHERE {}", table, joined(nulls, " OR "));
  }
  if (call.name == "accepted_values") {
    std::string name = TRY(column(0));
    std::vector<std::string> values;
    for (size_t index = 1; index < call.arguments.size(); ++index)
      values.push_back(quote_string(unquoted(call.arguments[index])));
    if (values.empty()) return wrong(model, audit, "no values given");
    return fmt::format(
        "SELECT {0}, count() AS times FROM {1} WHERE {0} IS NOT NULL AND toString({0}) NOT IN ({2}) GROUP BY "
        "{0}",
        name, table, joined(values));
  }
  if (call.name == "relationships") {
    if (call.arguments.size() != 3) return wrong(model, audit, "needs three arguments");
    std::string name = TRY(column(0));
    auto tokens = TRY(tokenize(call.arguments[1]));
    if (tokens.size() != 3 || !tokens[1].is("."))
      return wrong(model, audit, "the second argument is database.table");
    std::string target = tokens[2].name;
    if (tokens[0].name == "bronze" && !target.ends_with("__current")) target += "__current";
    return fmt::format(
        "SELECT {0}, count() AS times FROM {1} WHERE {0} IS NOT NULL AND {0} NOT IN (SELECT {2} FROM {3}) "
        "GROUP BY {0}",
        name, table, quote_identifier(unquoted(call.arguments[2])),
        clickhouse::quote_table(tokens[0].name, target));
  }
  if (call.name == "row_count") {
    std::vector<std::string> conditions;
    for (const auto& argument : call.arguments) {
      auto tokens = TRY(tokenize(argument));
      bool number = tokens.size() == 3 && tokens[1].is("=") && tokens[2].kind == TokenKind::number;
      if (number && tokens[0].name == "min")
        conditions.push_back("total < " + std::string(tokens[2].text));
      else if (number && tokens[0].name == "max")
        conditions.push_back("total > " + std::string(tokens[2].text));
      else
        return wrong(model, audit, fmt::format("`{}` is neither min = n nor max = n", argument));
    }
    if (conditions.empty()) return wrong(model, audit, "needs min = n or max = n");
    return fmt::format("SELECT count() AS total FROM {} HAVING {}", table, joined(conditions, " OR "));
  }
  return wrong(model, audit,
               fmt::format("there is no audit `{}`{}", call.name,
                           config::did_you_mean(call.name, {"not_null", "unique", "accepted_values",
                                                            "relationships", "row_count"})));
}

Result<std::vector<AuditResult>> run_audits(clickhouse::Client& client, const CompiledModels& models) {
  std::vector<AuditResult> results;
  clickhouse::QueryOptions options;
  options.settings = {
      {"max_bytes_before_external_group_by", std::to_string(limits::model_query_memory_bytes)}};
  options.timeout = std::chrono::milliseconds(limits::model_statement_ms_max);
  for (const auto& model : models.models)
    for (const auto& audit : model.file.audits) {
      AuditResult result{.model = model.name, .audit = audit};
      std::string query = TRY(audit_query(model, audit));
      Block block =
          TRY_IN(client.query(fmt::format("SELECT count() AS failing, groupArray({})(toString(tuple(*))) AS "
                                          "examples FROM ({})",
                                          limits::model_examples_max, query),
                              options),
                 "audit " + audit + " of " + model.name);
      result.failing = block.columns[0].get<uint64_t>(0);
      for (size_t index = block.columns[1].array_begin(0); index < block.columns[1].array_end(0); ++index)
        result.examples.emplace_back(block.columns[1].element().text(index));
      results.push_back(std::move(result));
    }
  return results;
}

}  // namespace tidemark::models
