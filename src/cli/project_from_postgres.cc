#include "cli/project_from_postgres.h"

#include "cli/output.h"
#include "clickhouse/schema.h"
#include "ingest/captured_table.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace tidemark::cli {
namespace {

using postgres::SourceColumn;
using postgres::SourceTable;
using postgres::WireType;

// More than a page that somebody reads; the largest tables come first.
constexpr size_t charted_tables_max = 12;
// Tables without a time are counted anew after each change: those that are small enough to.
constexpr double counted_rows_max = 2e6;
constexpr size_t counted_tables_max = 20;

bool holds(const std::vector<std::string_view>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// What tools keep for themselves; nobody asks about it.
bool is_bookkeeping(std::string table) {
  std::transform(table.begin(), table.end(), table.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  static const std::vector<std::string_view> known = {
      "schema_migrations",     "ar_internal_metadata", "alembic_version",      "flyway_schema_history",
      "databasechangelog",     "knex_migrations",      "_prisma_migrations",   "django_migrations",
      "django_session",        "spatial_ref_sys",      "goose_db_version",     "__drizzle_migrations",
      "databasechangeloglock", "knex_migrations_lock", "__efmigrationshistory"};
  return holds(known, table);
}

// Names are compared as words: createdAt, created_at and CREATED_AT are the same.
std::string bare_name(std::string_view name) {
  std::string text;
  for (unsigned char letter : name)
    if (std::isalnum(letter) != 0) text += static_cast<char>(std::tolower(letter));
  return text;
}

// 0: no time that says when a row came to be.
int time_score(const SourceColumn& column) {
  static const std::vector<std::string_view> births = {
      "createdat",  "created",  "createdon", "creationdate", "createdate", "insertedat",
      "inserttime", "placedat", "orderedat", "occurredat",   "happenedat", "eventtime",
      "timestamp",  "ts",       "time",      "date",         "day",        "at"};
  static const std::vector<std::string_view> others = {"updat",  "modif", "delet",   "expir", "birth", "dob",
                                                       "ends",   "endat", "enddate", "valid", "until", "due",
                                                       "cancel", "last",  "next",    "archiv"};
  bool dated = column.wire == WireType::timestamptz || column.wire == WireType::timestamp ||
               column.wire == WireType::date;
  if (!dated) return 0;
  std::string name = bare_name(column.name);
  for (std::string_view other : others)
    if (name.starts_with(other)) return 0;
  int score = column.not_null ? 20 : 10;
  auto known = std::find(births.begin(), births.end(), name);
  if (known != births.end()) score += 100 - static_cast<int>(known - births.begin());
  return score;
}

// What splits the days into a few series: a state or a kind. Null: nothing is sure to.
const SourceColumn* series_column(const SourceTable& table) {
  static const std::vector<std::string_view> kinds = {"status", "state",    "type",   "kind",
                                                      "plan",   "currency", "country"};
  for (std::string_view kind : kinds)
    for (const auto& column : table.columns) {
      bool text = column.wire == WireType::text || column.wire == WireType::boolean;
      if (text && column.not_null && column.key_position < 0 && bare_name(column.name) == kind)
        return &column;
    }
  return nullptr;
}

struct Choice {
  const SourceTable* table = nullptr;
  std::string mirrored;  // in database bronze
  std::string model;     // in database analytics; empty: none
  const SourceColumn* time = nullptr;
  const SourceColumn* series = nullptr;
};

std::string title_of(const SourceTable& table) {
  std::string title = table.display();
  std::replace(title.begin(), title.end(), '_', ' ');
  title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

std::string settings_file(const std::string& name) {
  return fmt::format(
      "# A Tidemark project: what is captured (sources/), what is derived (models/), what is shown "
      "(dashboards/).\n"
      "project: {}\n"
      "warehouse:\n"
      "  # ClickHouse inside Tidemark. To use your own server, write instead: url, user, password.\n"
      "  embedded: {{ path: ./data, http_port: 8123, tcp_port: 9000 }}\n"
      "http: {{ listen: 127.0.0.1:8088 }}\n",
      name);
}

// As sources/*.yaml names tables: quoted where a name has more than letters of our own.
std::string table_pattern(const SourceTable& table) {
  auto part = [](const std::string& name) {
    bool simple = std::all_of(name.begin(), name.end(), [](unsigned char letter) {
      return std::isalnum(letter) != 0 || letter == '_';
    });
    return simple ? name : "\"" + name + "\"";
  };
  return table.schema == "public" ? part(table.name) : part(table.schema) + "." + part(table.name);
}

std::string source_file(const std::string& name, const std::string& variable,
                        const std::vector<Choice>& captured, const DraftedProject& draft) {
  std::string text = fmt::format(
      "source: {0}\n"
      "postgres:\n"
      "  url: ${{env:{1}}}   # postgresql://user:password@host:5432/database\n"
      "  mode: cdc                      # the replication stream; `batch` asks by SELECT, without wal_level "
      "logical\n"
      "  slot: tidemark_{0}             # replication slot and publication, created if missing\n"
      "  tables:                        # take out what nobody will ask about\n",
      name, variable);
  for (const auto& one : captured) text += fmt::format("    - {}\n", json_quoted(table_pattern(*one.table)));
  if (!draft.left_out.empty()) text += "    # left out:\n";
  for (const auto& [table, why] : draft.left_out) text += fmt::format("    # {}: {}\n", table, why);
  return text;
}

std::string model_file(const Choice& one) {
  std::string time = "source." + clickhouse::quote_identifier(one.time->name);
  std::string day = one.time->not_null ? time : "assumeNotNull(" + time + ")";
  // A date is its own day.
  if (one.time->wire != WireType::date) day = fmt::format("toDate32({}, 'UTC')", day);
  std::string series = one.series == nullptr ? ""
                                             : fmt::format(", source.{} AS series",
                                                           clickhouse::quote_identifier(one.series->name));
  return fmt::format(
      "-- kind: incremental\n"
      "-- order_by: day{}\n"
      "-- description: rows of {} by day of {} (UTC){}\n"
      "SELECT {} AS day{}, count() AS row_count\n"
      "FROM bronze.{} AS source\n"
      "{}GROUP BY day{}\n",
      one.series == nullptr ? "" : ", series", one.table->display(), one.time->name,
      one.series == nullptr ? "" : " and " + one.series->name, day, series,
      clickhouse::quote_identifier(one.mirrored),
      one.time->not_null ? "" : fmt::format("WHERE {} IS NOT NULL\n", time),
      one.series == nullptr ? "" : ", series");
}

std::string tiles_of(const Choice& one) {
  std::string title = title_of(*one.table);
  std::string model = "analytics." + one.model;
  constexpr const char* range = "WHERE day >= {from:Date32} AND day < {to:Date32}";
  std::string number = fmt::format(
      "  - title: {}\n"
      "    chart: number\n"
      "    format: integer\n"
      "    width: 3\n"
      "    description: {}\n"
      "    sql: |\n"
      "      SELECT sum(daily.row_count) AS row_count FROM {} AS daily\n"
      "      {}\n"
      "    y: row_count\n\n",
      json_quoted(title), json_quoted("rows, by " + one.time->name), model, range);
  std::string chart = fmt::format(
      "  - title: {}\n"
      "    chart: area\n"
      "{}"
      "    width: 9\n"
      "    height: 3\n"
      "    sql: |\n"
      "      SELECT day{}, sum(daily.row_count) AS row_count FROM {} AS daily\n"
      "      {}\n"
      "      GROUP BY day{} ORDER BY day{}\n"
      "    x: day\n"
      "    y: row_count\n"
      "{}\n",
      json_quoted(title + " by day"), one.series == nullptr ? "" : "    stacked: true\n",
      one.series == nullptr ? "" : ", toString(daily.series) AS what", model, range,
      one.series == nullptr ? "" : ", what", one.series == nullptr ? "" : ", what",
      one.series == nullptr ? "" : "    series: what\n");
  return number + chart;
}

std::string dashboard_file(const std::string& name, const std::vector<Choice>& captured) {
  std::string text = fmt::format(
      "dashboard: overview\n"
      "title: {}\n"
      "description: Every number is as of the last transaction that reached the warehouse\n"
      "time: {{ default: all, presets: [today, last 7 days, last 30 days, last 90 days, last year, all] }}\n"
      "tiles:\n",
      json_quoted(name));
  for (const auto& one : captured)
    if (!one.model.empty()) text += tiles_of(one);
  std::string counts;
  size_t counted = 0;
  for (const auto& one : captured) {
    if (one.time != nullptr || one.table->estimated_rows > counted_rows_max || counted >= counted_tables_max)
      continue;
    ++counted;
    std::string label = one.table->display();
    std::replace(label.begin(), label.end(), '\'', ' ');
    std::replace(label.begin(), label.end(), '\\', ' ');
    counts += fmt::format("        {}SELECT '{}' AS table_name, count() AS row_count FROM bronze.{}\n",
                          counts.empty() ? "" : "UNION ALL ", label,
                          clickhouse::quote_identifier(one.mirrored + "__current"));
  }
  if (!counts.empty())
    text +=
        "  - title: Rows\n"
        "    chart: table\n"
        "    width: 6\n"
        "    height: 4\n"
        "    description: of tables without a time, now\n"
        "    sql: |\n"
        "      SELECT table_name, row_count FROM (\n" +
        counts +
        "      ) ORDER BY row_count DESC, table_name\n"
        "    columns:\n"
        "      - { column: table_name, title: Table }\n"
        "      - { column: row_count, title: Rows, format: integer, bar: true }\n\n";
  // Only large tables, and none with a time: what to count is for their owner to say.
  if (text.ends_with("tiles:\n"))
    text +=
        "  - title: To begin with\n"
        "    chart: text\n"
        "    text: Write a model (models/analytics/<name>.sql) and a tile that shows it.\n\n";
  text.pop_back();
  return text;
}

}  // namespace

const SourceColumn* time_column(const SourceTable& table) {
  const SourceColumn* best = nullptr;
  for (const auto& column : table.columns)
    if (time_score(column) > (best == nullptr ? 0 : time_score(*best))) best = &column;
  return best;
}

std::string identifier_from(std::string_view text) {
  std::string name;
  for (unsigned char letter : text) {
    bool ours = letter < 0x80 && std::isalnum(letter) != 0;
    if (ours)
      name += static_cast<char>(std::tolower(letter));
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  while (name.ends_with('_')) name.pop_back();
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0) name = "p" + name;
  constexpr size_t bytes_max = 40;  // slots and publications are named after it
  return name.substr(0, bytes_max);
}

Result<DraftedProject> draft_project(const std::string& name, const std::string& variable,
                                     const std::vector<SourceTable>& tables) {
  DraftedProject draft;
  std::vector<Choice> captured;
  for (const auto& table : tables) {
    if (is_bookkeeping(table.name))
      draft.left_out.emplace_back(table.display(), "a tool keeps its own state there");
    else if (table.key.empty())
      draft.left_out.emplace_back(table.display(),
                                  "it has no primary key, without which Postgres refuses updates and deletes "
                                  "of a published table");
    else
      captured.push_back({.table = &table,
                          .mirrored = ingest::capture(table, false, false).name,
                          .model = {},
                          .time = time_column(table),
                          .series = series_column(table)});
  }
  if (captured.empty())
    return fail(ErrorKind::refused, "this database has no table with a primary key",
                "name another database in the url, or give its tables primary keys");
  std::stable_sort(captured.begin(), captured.end(), [](const Choice& a, const Choice& b) {
    return a.table->estimated_rows > b.table->estimated_rows;
  });
  std::set<std::string> models;
  for (auto& one : captured) {
    if (one.time == nullptr || models.size() >= charted_tables_max) continue;
    std::string model = identifier_from(one.mirrored) + "_by_day";
    if (models.insert(model).second) one.model = model;
  }
  draft.tables = captured.size();
  draft.files.emplace_back("tidemark.yaml", settings_file(name));
  draft.files.emplace_back("sources/" + name + ".yaml", source_file(name, variable, captured, draft));
  for (const auto& one : captured)
    if (!one.model.empty())
      draft.files.emplace_back("models/analytics/" + one.model + ".sql", model_file(one));
  draft.files.emplace_back("dashboards/overview.yaml", dashboard_file(name, captured));
  return draft;
}

}  // namespace tidemark::cli
