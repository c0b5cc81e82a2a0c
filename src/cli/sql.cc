// tidemark sql: one query in the project's warehouse. As the read-only account, unless --admin: a person
// looking around must not be able to change a number by accident. A table on a terminal, tab-separated values
// with names elsewhere, JSON with --json, or what --format or the query's own FORMAT says.
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "config/sql_file.h"
#include "config/yaml_reader.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <iostream>
#include <iterator>
#include <unistd.h>

namespace tidemark::cli {
namespace {

// What a person can look through; the rest is counted by the server's bound on the result.
constexpr size_t shown_rows_max = 1000;

struct Options {
  std::string query;
  std::string format;
  std::string timeout = "5m";
  std::vector<std::string> parameters;
  bool admin = false;
};

Result<std::string> query_text(const Options& options) {
  if (!options.query.empty() && options.query != "-") return options.query;
  if (options.query.empty() && ::isatty(STDIN_FILENO) == 1)
    return fail(ErrorKind::usage, "a query is missing",
                "For example: tidemark sql \"SELECT 1\"; or pipe it in.");
  std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  if (text.find_first_not_of(" \t\r\n;") == std::string::npos)
    return fail(ErrorKind::usage, "the query on standard input is empty");
  return text;
}

Result<clickhouse::QueryOptions> query_options(const Options& options, bool embedded) {
  clickhouse::QueryOptions query;
  auto seconds = config::parse_duration_seconds(options.timeout);
  if (!seconds || *seconds == 0)
    return fail(ErrorKind::usage, fmt::format("--timeout cannot be `{}`", options.timeout),
                "For example: --timeout 30s");
  query.timeout = std::chrono::seconds(*seconds);
  // the embedded reader account is read-only by itself; a server of one's own may have only one account
  if (!options.admin && !embedded) query.settings["readonly"] = "2";
  for (const std::string& parameter : options.parameters) {
    size_t equals = parameter.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorKind::usage, fmt::format("--param needs name=value, not `{}`", parameter));
    query.parameters[parameter.substr(0, equals)] = parameter.substr(equals + 1);
  }
  return query;
}

Error explained(Error error, bool admin) {
  bool rights = error.message.find("ACCESS_DENIED") != std::string::npos ||
                error.message.find("READONLY") != std::string::npos ||
                error.message.find("(497)") != std::string::npos ||
                error.message.find("(164)") != std::string::npos;
  if (!admin && rights) error.remedy = "The query ran read-only; to change things: --admin";
  return error;
}

Result<ExitCode> run_query(const Options& options, const Invocation& invocation) {
  std::string sql = TRY(query_text(options));
  config::Project project = TRY(invocation.load_project());
  WarehouseAccess warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client =
      warehouse.client(options.admin ? clickhouse::Account::admin : clickhouse::Account::reader);
  clickhouse::QueryOptions query = TRY(query_options(options, warehouse.embedded()));
  bool own_format = config::has_format_clause(sql);
  bool as_table = !own_format && options.format.empty() && !invocation.json && stdout_is_terminal();
  query.settings["default_format"] = !options.format.empty() ? options.format
                                     : invocation.json       ? "JSON"
                                     : as_table              ? "TabSeparatedWithNamesAndTypes"
                                                             : "TabSeparatedWithNames";
  if (as_table) {
    auto text = client.query_text(sql, query);
    if (!text) return fail(explained(std::move(text.error()), options.admin));
    auto rows = static_cast<size_t>(std::count(text->begin(), text->end(), '\n'));
    rows = rows > 2 ? rows - 2 : 0;
    Table table = table_of_tsv(*text, shown_rows_max);
    print_out(table.render(table_style()));
    print_err(rows > table.rows()
                  ? fmt::format("{} of {} rows; all of them: tidemark sql ... | less\n", table.rows(), rows)
                  : counted(rows, "row") + "\n");
    return ExitCode::ok;
  }
  bool reader_left = false;
  Status done = client.stream_text(sql, query, [&](std::string_view piece) -> Status {
    if (print_out(piece)) return {};
    reader_left = true;
    return fail(ErrorKind::cancelled, "nobody reads the output");
  });
  if (!done && !reader_left) return fail(explained(std::move(done.error()), options.admin));
  return ExitCode::ok;
}

}  // namespace

Run add_sql(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option("query", options->query,
                     "one SQL statement; without it, or with -, it is read from standard input");
  command
      .add_option("-f,--format", options->format,
                  "one of ClickHouse's output formats: JSONEachRow, CSV, Parquet ...")
      ->type_name("NAME");
  command.add_option("--param", options->parameters, "value of a {name:Type} in the query; may be repeated")
      ->type_name("NAME=VALUE");
  command.add_option("--timeout", options->timeout, "give up after this time (default 5m)")
      ->type_name("DURATION");
  command.add_flag("--admin", options->admin, "as the account that may change things, instead of read-only");
  return [options](const Invocation& invocation) { return run_query(*options, invocation); };
}

}  // namespace tidemark::cli
