#include "models/audit_call.h"

#include "models/model_source.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

struct Written {
  std::string name;
  std::vector<std::string> arguments;  // trimmed, as written
};

tl::unexpected<Error> wrong(const CompiledModel& model, const std::string& audit, std::string what) {
  return fail(
      ErrorKind::config, fmt::format("{}: audit `{}`: {}", model.file.file.string(), audit, what),
      "audits: not_null(column), unique(column, ...), accepted_values(column, value, ...), "
      "relationships(column, table, column), row_count(min = n, max = m), sql(name of a file in audits/)");
}

// Values may hold spaces ("on track"), so this splits text, not tokens; commas inside quotes stay.
Result<Written> parse(const CompiledModel& model, const std::string& audit) {
  size_t open = audit.find('('), close = audit.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open)
    return wrong(model, audit, "not of the form name(arguments)");
  Written call;
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

Result<AuditCall> read_audit_call(const CompiledModel& model, const std::string& audit) {
  Written written = TRY(parse(model, audit));
  const auto& arguments = written.arguments;
  AuditCall call;
  auto column = [&](size_t index) -> Result<std::string> {
    std::string name = index < arguments.size() ? unquoted(arguments[index]) : "";
    std::vector<std::string> names;
    for (const auto& known : model.columns) names.push_back(known.name);
    if (std::find(names.begin(), names.end(), name) == names.end())
      return wrong(model, audit,
                   fmt::format("the model has no column `{}`{}", name, config::did_you_mean(name, names)));
    return quote_identifier(name);
  };
  if (written.name == "not_null" || written.name == "unique") {
    for (size_t index = 0; index < std::max<size_t>(1, arguments.size()); ++index)
      call.columns.push_back(TRY(column(index)));
    if (written.name == "unique") {
      call.form = AuditCall::Form::unique;
      return call;
    }
    std::vector<std::string> nulls;
    for (const auto& one : call.columns) nulls.push_back(one + " IS NULL");
    call.condition = joined(nulls, " OR ");
    return call;
  }
  if (written.name == "accepted_values") {
    call.columns = {TRY(column(0))};
    call.by_value = true;
    std::vector<std::string> values;
    for (size_t index = 1; index < arguments.size(); ++index)
      values.push_back(quote_string(unquoted(arguments[index])));
    if (values.empty()) return wrong(model, audit, "no values given");
    call.condition =
        fmt::format("{0} IS NOT NULL AND toString({0}) NOT IN ({1})", call.columns[0], joined(values));
    return call;
  }
  if (written.name == "relationships") {
    if (arguments.size() != 3) return wrong(model, audit, "needs three arguments");
    call.columns = {TRY(column(0))};
    call.by_value = true;
    auto tokens = TRY(tokenize(arguments[1]));
    if (tokens.size() != 3 || !tokens[1].is("."))
      return wrong(model, audit, "the second argument is database.table");
    std::string target = tokens[2].name;
    call.target = tokens[0].name + "." + target;
    if (tokens[0].name == "bronze" && !target.ends_with("__current")) target += "__current";
    call.condition = fmt::format("{0} IS NOT NULL AND {0} NOT IN (SELECT {1} FROM {2})", call.columns[0],
                                 quote_identifier(unquoted(arguments[2])),
                                 clickhouse::quote_table(tokens[0].name, target));
    return call;
  }
  if (written.name == "row_count") {
    call.form = AuditCall::Form::row_count;
    std::vector<std::string> conditions;
    for (const auto& argument : arguments) {
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
    call.condition = joined(conditions, " OR ");
    return call;
  }
  if (written.name == "sql") {
    if (arguments.size() != 1) return wrong(model, audit, "needs the name of a file in audits/");
    call.form = AuditCall::Form::file;
    call.file = unquoted(arguments[0]);
    return call;
  }
  return wrong(model, audit,
               fmt::format("there is no audit `{}`{}", written.name,
                           config::did_you_mean(written.name, {"not_null", "unique", "accepted_values",
                                                               "relationships", "row_count", "sql"})));
}

std::string query_of(const AuditCall& call, const std::string& relation) {
  std::string columns = joined(call.columns);
  switch (call.form) {
    case AuditCall::Form::unique:
      return fmt::format("SELECT {0}, count() AS times FROM {1} GROUP BY {0} HAVING times > 1", columns,
                         relation);
    case AuditCall::Form::row_count:
      return fmt::format("SELECT count() AS total FROM {} HAVING {}", relation, call.condition);
    case AuditCall::Form::condition:
      if (!call.by_value) return fmt::format("SELECT * FROM {} WHERE {}", relation, call.condition);
      return fmt::format("SELECT {0}, count() AS times FROM {1} WHERE {2} GROUP BY {0}", columns, relation,
                         call.condition);
    case AuditCall::Form::file:
      break;
  }
  return {};
}

}  // namespace tidemark::models
