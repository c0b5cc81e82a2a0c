#include "profiles/dependent_views.h"

#include "clickhouse/retry.h"
#include "clickhouse/schema.h"
#include "models/query_settings.h"
#include "profiles/erasure_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

struct View {
  std::string name;                                    // "analytics.x__0123__mv"
  std::string select;                                  // as the server has it
  std::string target;                                  // quoted
  std::string engine;                                  // of the target
  std::vector<clickhouse::ColumnDescription> columns;  // likewise

  bool has(const char* column) const {
    return std::any_of(columns.begin(), columns.end(), [&](const auto& one) { return one.name == column; });
  }
};

bool plain(std::string_view name) {
  return !name.empty() && (std::isdigit(static_cast<unsigned char>(name.front())) == 0) &&
         std::all_of(name.begin(), name.end(), [](char character) {
           return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_';
         });
}

// As the server writes the table of change rows in a SELECT.
std::string changes_as_written(const std::string& table) {
  std::string name = table + "__changes";
  return "bronze." + (plain(name) ? name : quote_identifier(name));
}

// `select` with `rows` in the place of the change rows of `table`.
std::string over(std::string select, const std::string& table, const std::string& rows) {
  std::string written = changes_as_written(table);
  for (size_t at = 0; (at = select.find(written, at)) != std::string::npos;) {
    size_t end = at + written.size();
    bool whole = end == select.size() ||
                 (std::isalnum(static_cast<unsigned char>(select[end])) == 0 && select[end] != '_');
    if (whole) select.replace(at, written.size(), rows);
    at += whole ? rows.size() : written.size();
  }
  return select;
}

// A hash of some columns that NULLs do not swallow.
std::string hash_of(const std::vector<std::string>& columns) {
  std::vector<std::string> parts;
  for (const auto& column : columns) {
    std::string name = quote_identifier(column);
    parts.push_back(fmt::format("isNull({0}), ifNull(toString({0}), '')", name));
  }
  return parts.empty() ? "toUInt8(1)" : fmt::format("sipHash128({})", fmt::join(parts, ", "));
}

class Correction {
 public:
  Correction(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table,
             const std::atomic<bool>& stop)
      : pool_(pool),
        deletion_(deletion),
        table_(table),
        stop_(stop),
        aside_(aside_table(deletion, table.name)) {
    policy_.deadline = limits::erasure_correction_max;
    policy_.attempt_timeout = limits::erasure_correction_max;
  }

  Result<CorrectedViews> run() {
    CorrectedViews corrected;
    auto views = TRY(views_of(fmt::format(
        "(database, name) IN (SELECT d, t FROM (SELECT dependencies_database AS ds, "
        "dependencies_table AS ts FROM system.tables WHERE database = 'bronze' AND name = {}) ARRAY "
        "JOIN ds AS d, ts AS t)",
        quote_string(table_.name + "__changes"))));
    for (const auto& view : views) {
      bool known = TRY_IN(correct(view), "correcting " + view.name);
      if (known)
        ++corrected.targets;
      else
        corrected.foreign.push_back(view.name);
    }
    return corrected;
  }

 private:
  Result<std::vector<View>> views_of(const std::string& condition) {
    // The target behind TO, each half plain or in backticks.
    Block block = TRY(pool_.query(
        "SELECT concat(database, '.', name) AS full_name, as_select, extractGroups(create_table_query, "
        "' TO (`[^`]+`|[A-Za-z0-9_]+)[.](`[^`]+`|[A-Za-z0-9_]+)') AS target FROM system.tables WHERE engine "
        "= "
        "'MaterializedView' AND " +
        condition + " ORDER BY full_name"));
    std::vector<View> views;
    for (size_t row = 0; row < block.rows(); ++row) {
      View view{.name = std::string(block.columns[0].text(row)),
                .select = std::string(block.columns[1].text(row))};
      auto target = text_list(block.columns[2], row);
      if (target.size() == 2) {
        auto bare = [](const std::string& name) {
          return name.starts_with('`') ? name.substr(1, name.size() - 2) : name;
        };
        view.target = clickhouse::quote_table(bare(target[0]), bare(target[1]));
        view.columns = TRY(clickhouse::table_columns(*pool_.lease(), bare(target[0]), bare(target[1])));
        view.engine = TRY(pool_.lease()->query_text(
            "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {name:String} "
            "FORMAT TSVRaw",
            {.parameters = {{"database", bare(target[0])}, {"name", bare(target[1])}}}));
        while (view.engine.ends_with('\n')) view.engine.pop_back();
      }
      views.push_back(std::move(view));
    }
    return views;
  }

  Status execute(const std::string& sql, std::map<std::string, std::string> settings = {}) {
    clickhouse::QueryOptions options;
    options.settings = models::model_query_settings();
    options.settings.merge(settings);
    options.timeout = policy_.attempt_timeout;
    return clickhouse::retry(policy_, stop_, [&] { return pool_.execute(sql, options); });
  }

  Status insert(const View& view, const std::string& select, bool once) {
    std::vector<std::string> names;
    for (const auto& column : TRY(clickhouse::describe_select(*pool_.lease(), select)))
      names.push_back(column.name);
    std::string sql =
        fmt::format("INSERT INTO {} ({}) {}", view.target, clickhouse::quote_list(names), select);
    if (!once) return execute(sql, {{"insert_deduplicate", "0"}});
    auto settings =
        clickhouse::exactly_once_settings(fmt::format("erased:{}:{}:{}", deletion_, table_.name, view.name));
    settings["max_threads"] = "1";
    return execute(sql, settings);
  }

  // False: nobody knows what it is.
  Result<bool> correct(const View& view) {
    std::string taken = over(view.select, table_.name, aside_);
    bool ours = view.engine == "SummingMergeTree" || view.engine == "ReplacingMergeTree" ||
                (view.engine == "MergeTree" && view.has("_cut"));
    if (ours) {
      TRY_VOID(insert(view, taken, true));
      return true;
    }
    if (view.engine == "MergeTree" && view.has("_version")) {
      // Of a UNION ALL the branches are told apart.
      std::string by = view.has("_branch") ? "_version, _branch" : "_version";
      TRY_VOID(
          execute(fmt::format("ALTER TABLE {0} DELETE WHERE ({1}) IN (SELECT {1} FROM ({2})) SETTINGS "
                              "mutations_sync = 2",
                              view.target, by, taken)));
      return true;
    }
    if (view.engine != "AggregatingMergeTree") return false;
    TRY_VOID(make_groups_again(view, taken));
    return true;
  }

  Status make_groups_again(const View& view, const std::string& taken) {
    std::vector<std::string> groups;
    for (const auto& column : view.columns)
      if (column.type.find("AggregateFunction(") == std::string::npos) groups.push_back(column.name);
    std::string hash = hash_of(groups);
    std::string touched = fmt::format("{} IN (SELECT {} FROM ({}))", hash, hash, taken);
    TRY_VOID(execute(
        fmt::format("ALTER TABLE {} DELETE WHERE {} SETTINGS mutations_sync = 2", view.target, touched)));
    // Other tables may feed the same groups.
    for (const auto& feeding : TRY(views_of("position(as_select, '__changes') > 0"))) {
      if (feeding.target != view.target) continue;
      std::string source = TRY(source_of(feeding));
      std::string rows = fmt::format(
          "(SELECT *, toInt8(1) AS _sign, "
          "toLowCardinality('insert') AS _op FROM {})",
          clickhouse::quote_table("bronze", source));
      TRY_VOID(insert(view,
                      fmt::format("SELECT * FROM ({}) WHERE {}", over(feeding.select, source, rows), touched),
                      false));
    }
    return {};
  }

  // The log whose change rows a view reads.
  Result<std::string> source_of(const View& view) {
    Block block = TRY(pool_.query(
        "SELECT name FROM system.tables WHERE database = 'bronze' AND endsWith(name, '__changes')"));
    for (size_t row = 0; row < block.rows(); ++row) {
      std::string name(block.columns[0].text(row));
      name.resize(name.size() - std::string_view("__changes").size());
      if (over(view.select, name, "") != view.select) return name;
    }
    return fail(ErrorKind::internal, view.name + " reads no change rows");
  }

  clickhouse::ClientPool& pool_;
  const uint64_t deletion_;
  const ErasableTable& table_;
  const std::atomic<bool>& stop_;
  const std::string aside_;
  clickhouse::RetryPolicy policy_;
};

}  // namespace

Result<CorrectedViews> correct_dependents(clickhouse::ClientPool& pool, uint64_t deletion,
                                          const ErasableTable& table, const std::atomic<bool>& stop) {
  return Correction(pool, deletion, table, stop).run();
}

}  // namespace tidemark::profiles
