#include "profiles/erasure_traces.h"

#include "base/clock.h"
#include "clickhouse/schema.h"
#include "profiles/erasure_limits.h"
#include "profiles/profile_plan.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <thread>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

std::string list(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const auto& text : texts) quoted.push_back(quote_string(text));
  return quoted.empty() ? "''" : fmt::format("{}", fmt::join(quoted, ", "));
}

std::vector<std::string> values_of(const std::vector<std::string>& ids) {
  std::vector<std::string> values;
  for (const auto& id : ids) values.push_back(id.substr(id.find(':') + 1));
  return values;
}

// Keys of rows that are to be removed from the table in hand. No search finds it (tables()).
constexpr const char* unseen_table = "tidemark.erased_unseen";

constexpr std::string_view history = "__history";

// A table that may have traces.
struct Table {
  std::string name, quoted, engine, engine_full;
  std::vector<std::string> key, columns;
  std::string match;  // a row that has one of the texts
  std::string left;   // one that is told when it is seen

  bool has(const char* column) const {
    return std::find(columns.begin(), columns.end(), column) != columns.end();
  }
  // ReplacingMergeTree(_version, _deleted): "_version" and "_deleted".
  std::vector<std::string> arguments() const {
    std::vector<std::string> names;
    size_t open = engine_full.find('('), close = engine_full.find(')');
    if (engine != "ReplacingMergeTree" || !engine_full.starts_with("ReplacingMergeTree(")) return names;
    std::string text = engine_full.substr(open + 1, close - open - 1);
    for (size_t at = 0; at <= text.size();) {
      size_t end = std::min(text.find(", ", at), text.size());
      if (end > at) names.push_back(text.substr(at, end - at));
      at = end + 2;
    }
    return names;
  }
};

class Sweep {
 public:
  Sweep(clickhouse::ClientPool& pool, const Traces& traces, TraceCounts& counts)
      : pool_(pool), counts_(counts) {
    needles_ = traces.people;
    needles_.insert(needles_.end(), traces.ids.begin(), traces.ids.end());
    for (auto& value : values_of(traces.ids)) needles_.push_back(std::move(value));
    std::sort(needles_.begin(), needles_.end());
    needles_.erase(std::unique(needles_.begin(), needles_.end()), needles_.end());
  }
  // Texts that may stand inside of others, and keys that do not.
  Sweep(clickhouse::ClientPool& pool, std::vector<std::string> texts, std::vector<std::string> keys,
        TraceCounts& counts)
      : pool_(pool),
        counts_(counts),
        needles_(std::move(keys)),
        texts_(std::move(texts)),
        everything_(needles_.size() + texts_.size() > limits::redacted_texts_max) {
    for (const auto& text : texts_)
      if (text.size() >= limits::erasure_quoted_text_min) telling_.push_back(text);
  }

  Status by_name(const Traces& traces) {
    std::string entities = fmt::format("entity IN ({})", list(traces.people));
    std::string keys =
        traces.row_keys.empty() ? "" : fmt::format(" AND entity IN ({})", list(traces.row_keys));
    std::string segments = fmt::format(
        "IN (SELECT segment FROM tidemark.segment_versions WHERE entity IN ({}))", list(traces.row_entities));
    bool rows = !keys.empty() && TRY(there("tidemark", "segment_versions"));
    std::string of_segments = entities, of_outbox = entities;
    if (rows) {
      of_segments += fmt::format(" OR (segment {}{})", segments, keys);
      of_outbox += fmt::format(" OR (subject {}{})", segments, keys);
    }
    TRY_VOID(
        remove("deliveries",
               fmt::format("{} OR seq IN (SELECT seq FROM tidemark.outbox WHERE {})", entities, of_outbox),
               {"outbox"}));
    TRY_VOID(remove("outbox", of_outbox));
    TRY_VOID(remove("segment_members", of_segments));
    TRY_VOID(remove("segment_changes", of_segments));
    TRY_VOID(remove("segment_announcements", of_segments));
    TRY_VOID(remove("segment_timers", entities));
    TRY_VOID(remove("segment_lists", fmt::format("key IN ({})", list(traces.people))));
    // Of earlier steps only the numbers of their cuts are asked for again.
    std::string plans = "profile_plans_" + traces.definition.slug();
    TRY_VOID(remove(plans, fmt::format("what != 'cut' AND step < (SELECT max(step) FROM {})",
                                       clickhouse::quote_table("tidemark", plans))));
    TRY_VOID(remove("profile_decisions",
                    fmt::format("profiles = {0} AND (hasAny(one, [{1}]) OR hasAny(other, [{1}]))",
                                quote_string(traces.definition.name()), list(traces.ids))));
    TRY_VOID(remove("quarantine", quarantined(traces)));
    return {};
  }

  // What Tidemark itself wrote down. Short texts are in its words, too.
  Status written_down() {
    if (telling_.empty() || everything_) return {};
    TRY_VOID(remove("deliveries",
                    fmt::format("seq IN (SELECT seq FROM tidemark.outbox WHERE {0}) OR {1}",
                                contains("data", telling_), contains("answer", telling_)),
                    {"outbox"}));
    TRY_VOID(remove("outbox", contains("data", telling_)));
    TRY_VOID(remove("quarantine", contains("bytes", telling_)));
    return remove("audits", contains("examples", telling_));
  }

  // All cuts are fenced, so nobody asks for these keys again.
  Status touched() {
    for (const auto& table : TRY(tables())) {
      if (table.engine != "MergeTree" || !table.has("_cut") || !of_cuts(table)) continue;
      uint64_t rows = TRY(count(table.quoted, table.match));
      if (rows == 0) continue;
      TRY_VOID(pool_.execute("TRUNCATE TABLE " + table.quoted + " SYNC"));
      counts_.removed[table.name] += rows;
    }
    return {};
  }

  Status everywhere() {
    TRY_VOID(drop_unseen());
    for (const auto& table : TRY(tables())) {
      if (TRY(count(table.quoted, table.match)) == 0) continue;
      TRY_VOID(remove_unseen(table));
      if (everything_) continue;
      if (auto left =
              TRY(count(table.quoted + (table.engine == "ReplacingMergeTree" ? " FINAL" : ""), table.left)))
        counts_.left[table.name] = left;
    }
    return drop_unseen();
  }

 private:
  // Not of the bronze logs, whose rows also have the number of their cut.
  static bool of_cuts(const Table& table) {
    return !table.name.starts_with("bronze.") && !table.has("_committed_at") && table.has("_table");
  }

  Result<bool> there(const std::string& database, const std::string& table) {
    return clickhouse::table_exists(*pool_.lease(), database, table);
  }

  Result<uint64_t> count(const std::string& from, const std::string& condition) {
    clickhouse::QueryOptions options;
    options.settings = {{"max_query_size", "100000000"}, {"log_queries", "0"}, {"max_threads", "2"}};
    options.timeout = limits::erasure_statement_max;
    Block block = TRY(pool_.query(fmt::format("SELECT count() FROM {} WHERE {}", from, condition), options));
    return block.columns[0].get<uint64_t>(0);
  }

  Status remove_where(const std::string& name, const std::string& quoted, const std::string& condition) {
    uint64_t rows = TRY(count(quoted, condition));
    if (rows == 0) return {};
    clickhouse::QueryOptions options;
    options.settings = {{"max_query_size", "100000000"}, {"log_queries", "0"}};
    options.timeout = limits::erasure_statement_max;
    TRY_VOID(pool_.execute(
        fmt::format("ALTER TABLE {} DELETE WHERE {} SETTINGS mutations_sync = 2", quoted, condition),
        options));
    counts_.removed[name] += rows;
    return {};
  }

  // Of database tidemark; nothing when it, or one it needs, is not there.
  Status remove(const std::string& table, const std::string& condition,
                const std::vector<std::string>& needed = {}) {
    if (!TRY(there("tidemark", table))) return {};
    for (const auto& other : needed)
      if (!TRY(there("tidemark", other))) return {};
    return remove_where("tidemark." + table, clickhouse::quote_table("tidemark", table), condition);
  }

  // The bytes of a refused event are its JSON, or what was to be that: an id of some length stands there in
  // quotes, a short one must be in the field of its kind.
  static std::string quarantined(const Traces& traces) {
    std::vector<std::string> long_ones, short_ones;
    for (const auto& value : values_of(traces.ids)) {
      if (value.size() >= limits::erasure_quoted_text_min)
        long_ones.push_back("\"" + value + "\"");
      else
        short_ones.push_back(value);
    }
    std::string condition = "0";
    if (!long_ones.empty())
      condition += fmt::format(" OR multiSearchAnyCaseInsensitiveUTF8(bytes, [{}])", list(long_ones));
    if (!short_ones.empty())
      for (const char* field : {"userId", "user_id", "anonymousId", "anonymous_id", "previousId"})
        condition +=
            fmt::format(" OR JSONExtract(bytes, '{}', 'Nullable(String)') IN ({})", field, list(short_ones));
    return condition;
  }

  Result<std::vector<Table>> tables() {
    Block block = TRY(pool_.query(
        "SELECT t.database AS database, t.name AS name, t.engine AS engine, t.engine_full AS engine_full, "
        "t.sorting_key AS sorting_key, c.names AS names, c.types AS types FROM system.tables AS t INNER JOIN "
        "(SELECT database, table, groupArray(name) AS names, groupArray(type) AS types FROM system.columns "
        "WHERE default_kind NOT IN ('ALIAS', 'EPHEMERAL') GROUP BY database, table) AS c ON c.database = "
        "t.database AND c.table = t.name WHERE t.engine LIKE '%MergeTree' AND t.database NOT IN ('system', "
        "'INFORMATION_SCHEMA', 'information_schema') AND NOT (t.database = 'tidemark' AND (t.name IN "
        "('deletions', 'suppressions', 'models', 'cuts', 'sources', 'refreshes') OR startsWith(t.name, "
        "'erased_'))) ORDER BY t.database, t.name"));
    std::vector<Table> found;
    for (size_t row = 0; row < block.rows(); ++row) {
      auto text = [&](const char* column) { return std::string(block.find(column)->text(row)); };
      Table table{.name = text("database") + "." + text("name"),
                  .quoted = clickhouse::quote_table(text("database"), text("name")),
                  .engine = text("engine"),
                  .engine_full = text("engine_full"),
                  .columns = text_list(*block.find("names"), row)};
      table.key = {text("sorting_key")};
      auto types = text_list(*block.find("types"), row);
      std::vector<std::string> conditions, told;
      for (size_t index = 0; index < types.size(); ++index) {
        std::string column = quote_identifier(table.columns[index]);
        std::string_view type = types[index];
        for (std::string_view wrap : {"LowCardinality(", "Nullable("})
          if (type.starts_with(wrap)) type = type.substr(wrap.size());
        // Named like one of the server's own, so that not every statement can read it; and no id is in it.
        if (table.columns[index] == "_table") continue;
        if (!texts_.empty() && type.find("String") != type.npos && !type.starts_with("AggregateFunction")) {
          conditions.push_back(contains(column, texts_));
          if (!telling_.empty()) told.push_back(contains(column, telling_));
        }
        if (needles_.empty()) continue;
        if (type.starts_with("String"))
          conditions.push_back(fmt::format("{} IN ({})", column, list(needles_)));
        else if (type.starts_with("Array(String") || type.starts_with("Array(LowCardinality(String)") ||
                 type.starts_with("Array(Nullable(String)"))
          conditions.push_back(fmt::format("hasAny({}, [{}])", column, list(needles_)));
      }
      if (everything_) conditions = {"1"};
      if (conditions.empty()) continue;
      table.match = fmt::format("({})", fmt::join(conditions, " OR "));
      // Keys are of what was made of new images, short texts of anybody.
      table.left = texts_.empty() ? table.match
                   : told.empty() ? "0"
                                  : fmt::format("({})", fmt::join(told, " OR "));
      found.push_back(std::move(table));
    }
    return found;
  }

  // NULL has no text.
  static std::string contains(const std::string& column, const std::vector<std::string>& texts) {
    std::vector<std::string> searches;
    for (size_t from = 0; from < texts.size(); from += limits::redacted_texts_a_search) {
      size_t end = std::min(texts.size(), from + limits::redacted_texts_a_search);
      searches.push_back(fmt::format(
          "multiSearchAnyCaseInsensitiveUTF8(ifNull(toString({}), ''), [{}])", column,
          list({texts.begin() + static_cast<ptrdiff_t>(from), texts.begin() + static_cast<ptrdiff_t>(end)})));
    }
    return fmt::format("({})", fmt::join(searches, " OR "));
  }

  // What to remove is written down first: a mutation asks a subquery of its own table again for each part,
  // and would see the table without what it has taken from the parts before.
  Status remove_unseen(const Table& table) {
    auto arguments = table.arguments();
    const std::string& key = table.key.front();
    if (table.name.starts_with("bronze.") && table.name.ends_with(history)) return remove_history(table);
    if (!arguments.empty() && !key.empty()) {
      // All versions of a key whose row is gone, the outdated ones of a key whose row is there.
      std::string keys = fmt::format("SELECT {} FROM {} WHERE {}", key, table.quoted, table.match);
      std::string deleted = arguments.size() > 1 ? " AND " + arguments[1] + " = 0" : "";
      std::string seen = fmt::format("SELECT {0}, {1} FROM {2} FINAL WHERE ({0}) IN ({3}){4}", key,
                                     arguments[0], table.quoted, keys, deleted);
      TRY_VOID(write_down(fmt::format(
          "SELECT DISTINCT ({0}) AS _unseen_key, {1} AS _unseen_version FROM {2} WHERE ({0}) IN ({3}) "
          "AND ({0}, {1}) NOT IN ({4})",
          key, arguments[0], table.quoted, keys, seen)));
      return remove_where(table.name, table.quoted,
                          fmt::format("(({}), {}) IN (SELECT _unseen_key, _unseen_version FROM {})", key,
                                      arguments[0], unseen_table));
    }
    bool sums = table.engine == "SummingMergeTree" || table.engine == "AggregatingMergeTree";
    if (!sums || !table.has("_rows") || key.empty()) return {};
    TRY_VOID(write_down(
        fmt::format("SELECT ({0}) AS _unseen_key FROM {1} WHERE {2} GROUP BY {0} HAVING sum(_rows) = 0", key,
                    table.quoted, table.match)));
    return remove_where(
        table.name, table.quoted,
        fmt::format("{} AND ({}) IN (SELECT _unseen_key FROM {})", table.match, key, unseen_table));
  }

  // Images that a row had (ingest/row_history.h), when the row is gone: of a key with all of its versions,
  // also those without an id. What a row had that is there stays with it; an append-only log has no rows that
  // go.
  Status remove_history(const Table& table) {
    constexpr std::string_view version = ", _version";
    std::string key = table.key.front(), base = table.name.substr(std::string_view("bronze.").size());
    base.resize(base.size() - history.size());
    if (!key.ends_with(version) || !TRY(there("bronze", base))) return {};
    key.resize(key.size() - version.size());
    std::string keys = fmt::format("SELECT {} FROM {} WHERE {}", key, table.quoted, table.match);
    TRY_VOID(write_down(
        fmt::format("SELECT DISTINCT ({0}) AS _unseen_key FROM {1} WHERE {2} AND ({0}) NOT IN "
                    "(SELECT {0} FROM {3} FINAL WHERE ({0}) IN ({4}) AND _deleted = 0)",
                    key, table.quoted, table.match, clickhouse::quote_table("bronze", base), keys)));
    return remove_where(table.name, table.quoted,
                        fmt::format("({}) IN (SELECT _unseen_key FROM {})", key, unseen_table));
  }

  Status drop_unseen() { return pool_.execute(fmt::format("DROP TABLE IF EXISTS {} SYNC", unseen_table)); }

  Status write_down(const std::string& select) {
    TRY_VOID(drop_unseen());
    clickhouse::QueryOptions options;
    options.settings = {{"max_query_size", "100000000"}, {"log_queries", "0"}};
    options.timeout = limits::erasure_statement_max;
    return pool_.execute(
        fmt::format("CREATE TABLE {} ENGINE = MergeTree ORDER BY tuple() AS {}", unseen_table, select),
        options);
  }

  clickhouse::ClientPool& pool_;
  TraceCounts& counts_;
  std::vector<std::string> needles_;          // whole texts
  std::vector<std::string> texts_, telling_;  // also inside of others; the longer ones of these
  const bool everything_ = false;             // too many to be looked for: whatever is not seen goes
};

}  // namespace

Result<std::string> told_outside(clickhouse::ClientPool& pool, const Traces& traces) {
  auto client = pool.lease();
  if (!TRY(clickhouse::table_exists(*client, "tidemark", "outbox"))) return "[]";
  bool outcomes = TRY(clickhouse::table_exists(*client, "tidemark", "deliveries"));
  clickhouse::QueryOptions options;
  options.settings = {{"output_format_json_array_of_rows", "1"}, {"log_queries", "0"}};
  std::string text = TRY(client->query_text(
      fmt::format(
          "SELECT destination, subject, type, at, {0} AS state FROM (SELECT arrayJoin(destinations) AS "
          "destination, subject, kind AS type, happened_at AS at, seq FROM tidemark.outbox WHERE entity "
          "IN ({1})) AS o {2} ORDER BY o.seq, destination FORMAT JSONEachRow",
          outcomes ? "if(d.state = '', 'delivered', toString(d.state))" : "'delivered'", list(traces.people),
          outcomes ? "LEFT JOIN (SELECT toString(destination) AS to, seq, state FROM "
                     "tidemark.deliveries FINAL) AS d ON d.seq = o.seq AND d.to = o.destination"
                   : ""),
      options));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text.empty() ? "[]" : text;
}

Status remove_touched_keys(clickhouse::ClientPool& pool, const Traces& traces, TraceCounts& counts) {
  return Sweep(pool, traces, counts).touched();
}

Status remove_traces(clickhouse::ClientPool& pool, const Traces& traces, TraceCounts& counts) {
  Sweep sweep(pool, traces, counts);
  TRY_VOID(sweep.by_name(traces));
  return sweep.everywhere();
}

Status remove_touched_texts(clickhouse::ClientPool& pool, const std::vector<std::string>& texts,
                            TraceCounts& counts) {
  // With many texts every key that was touched goes: all are fenced.
  return texts.empty() ? Status() : Sweep(pool, texts, {}, counts).touched();
}

Status remove_texts(clickhouse::ClientPool& pool, const std::vector<std::string>& texts,
                    const std::vector<std::string>& keys, TraceCounts& counts) {
  Sweep sweep(pool, texts, keys, counts);
  TRY_VOID(sweep.written_down());
  TRY_VOID(sweep.everywhere());
  // Nothing that is seen was looked for.
  if (texts.empty()) counts.left.clear();
  return {};
}

Status wait_until_told(clickhouse::ClientPool& pool, const std::string& condition,
                       const std::atomic<bool>& stop) {
  auto client = pool.lease();
  for (const char* table : {"outbox", "delivery_positions"})
    if (!TRY(clickhouse::table_exists(*client, "tidemark", table))) return {};
  int64_t deadline = system_clock().monotonic_micros() + limits::erasure_deliveries_wait_us;
  while (!stop && system_clock().monotonic_micros() < deadline) {
    Block block = TRY(client->query(fmt::format(
        "SELECT count() FROM (SELECT arrayJoin(destinations) AS destination, seq FROM tidemark.outbox WHERE "
        "{}) AS o INNER JOIN (SELECT destination, position FROM tidemark.delivery_positions FINAL) AS p ON "
        "p.destination = o.destination WHERE o.seq > p.position",
        condition)));
    if (block.columns[0].get<uint64_t>(0) == 0) return {};
    std::this_thread::sleep_for(limits::erasure_look_again);
  }
  return {};
}

}  // namespace tidemark::profiles
