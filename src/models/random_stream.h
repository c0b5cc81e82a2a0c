// For property tests: a Postgres that changes at random (RandomSource) and an ingest that writes its
// transactions into the warehouse as cuts (CutWriter), as src/ingest does: parts in order, change rows before
// bronze rows, one deduplication token an INSERT, models refreshed before the fence. The writer is killed at
// random places: whatever was done is done again under the same tokens.
#pragma once

#include "base/version.h"
#include "clickhouse/client.h"
#include "clickhouse/retry.h"
#include "models/random_tables.h"

#include <map>
#include <set>

namespace tidemark::models {

using Row = std::vector<Value>;

struct RowChange {
  enum class Kind { insert, update, remove, move, truncate } kind;
  size_t table;
  Row before, after;
};

struct RandomTransaction {
  uint64_t lsn = 0;
  std::vector<RowChange> changes;
};

class RandomSource {
 public:
  RandomSource(std::vector<RandomTable> tables, uint64_t seed)
      : tables_(std::move(tables)), random_(seed), rows_(tables_.size()), keys_(tables_.size()) {}

  const std::vector<RandomTable>& tables() const { return tables_; }
  const std::vector<Row>& rows(size_t table) const { return rows_[table]; }

  RandomTransaction transaction(uint64_t changes_max) {
    lsn_ += 1 + random_.below(1000);
    RandomTransaction transaction{.lsn = lsn_};
    for (uint64_t left = 1 + random_.below(changes_max); left > 0; --left) change(transaction.changes);
    return transaction;
  }

  // A transaction in the words of Postgres.
  std::string statements(const RandomTransaction& transaction) const {
    std::string sql = "BEGIN;\n";
    for (const auto& change : transaction.changes) {
      const RandomTable& table = tables_[change.table];
      auto list = [&](const Row& row, const char* between, bool assign, size_t last) {
        std::string text;
        for (size_t index = 0; index < last; ++index)
          text += (index == 0 ? "" : between) + (assign ? table.columns[index].name + " = " : "") +
                  source_literal(table.columns[index], row[index]);
        return text;
      };
      size_t all = table.columns.size();
      std::string where =
          " WHERE " + list(change.before, " AND ", true, change.before.empty() ? 0 : table.key_columns);
      switch (change.kind) {
        case RowChange::Kind::insert:
          sql += "INSERT INTO " + table.name + " VALUES (" + list(change.after, ", ", false, all) + ");\n";
          break;
        case RowChange::Kind::update:
        case RowChange::Kind::move:
          sql += "UPDATE " + table.name + " SET " + list(change.after, ", ", true, all) + where + ";\n";
          break;
        case RowChange::Kind::remove:
          sql += "DELETE FROM " + table.name + where + ";\n";
          break;
        case RowChange::Kind::truncate:
          sql += "TRUNCATE " + table.name + ";\n";
          break;
      }
    }
    return sql + "COMMIT;\n";
  }

 private:
  std::string key_of(const RandomTable& table, const Row& row) const {
    std::string key;
    for (size_t index = 0; index < table.key_columns; ++index) key += *row[index] + "|";
    return key;
  }

  Value value(const RandomColumn& column) {
    if (column.null_one_in > 0 && random_.one_in(static_cast<uint64_t>(column.null_one_in))) return {};
    return column.value(random_);
  }

  Row fresh(const RandomTable& table) {
    Row row;
    for (const auto& column : table.columns) row.push_back(value(column));
    return row;
  }

  size_t pick_table() {
    int total = 0;
    for (const auto& table : tables_) total += table.weight;
    int left = static_cast<int>(random_.below(static_cast<uint64_t>(total)));
    size_t index = 0;
    while ((left -= tables_[index].weight) >= 0) ++index;
    return index;
  }

  void insert(std::vector<RowChange>& changes, size_t index) {
    const RandomTable& table = tables_[index];
    Row row = fresh(table);
    for (int attempt = 0; !table.log() && keys_[index].contains(key_of(table, row)); ++attempt) {
      if (attempt == 20) return;
      for (size_t column = 0; column < table.key_columns; ++column)
        row[column] = value(table.columns[column]);
    }
    if (!table.log()) keys_[index].insert(key_of(table, row));
    changes.push_back({RowChange::Kind::insert, index, {}, row});
    rows_[index].push_back(std::move(row));
  }

  Row remove(std::vector<RowChange>& changes, size_t index, size_t place) {
    Row before = rows_[index][place];
    keys_[index].erase(key_of(tables_[index], before));
    rows_[index][place] = std::move(rows_[index].back());
    rows_[index].pop_back();
    changes.push_back({RowChange::Kind::remove, index, before, {}});
    return before;
  }

  void change(std::vector<RowChange>& changes) {
    size_t index = pick_table();
    const RandomTable& table = tables_[index];
    auto& rows = rows_[index];
    uint64_t action = random_.below(200);
    if (table.log() || rows.empty() || action < 70) return insert(changes, index);
    size_t place = random_.below(rows.size());
    if (action < 135) {  // some columns, or nothing at all
      Row before = rows[place];
      for (uint64_t left = random_.below(4); left > 0; --left) {
        size_t column = table.key_columns + random_.below(table.columns.size() - table.key_columns);
        rows[place][column] = value(table.columns[column]);
      }
      changes.push_back({RowChange::Kind::update, index, before, rows[place]});
    } else if (action < 170) {
      remove(changes, index, place);
    } else if (action < 180) {  // the key goes and comes back, changed or not, in the same transaction
      Row row = remove(changes, index, place);
      if (random_.one_in(2)) row.back() = value(table.columns.back());
      keys_[index].insert(key_of(table, row));
      changes.push_back({RowChange::Kind::insert, index, {}, row});
      rows.push_back(std::move(row));
    } else if (action < 198) {
      Row before = rows[place], after = before;
      for (size_t column = 0; column < table.key_columns; ++column)
        after[column] = value(table.columns[column]);
      if (keys_[index].contains(key_of(table, after))) return;
      keys_[index].erase(key_of(table, before));
      keys_[index].insert(key_of(table, after));
      rows[place] = after;
      changes.push_back({RowChange::Kind::move, index, before, after});
    } else if (random_.one_in(3)) {
      rows.clear();
      keys_[index].clear();
      changes.push_back({RowChange::Kind::truncate, index, {}, {}});
    }
  }

  std::vector<RandomTable> tables_;
  Random random_;
  std::vector<std::vector<Row>> rows_;
  std::vector<std::set<std::string>> keys_;
  uint64_t lsn_ = 1'000'000;
};

// The DDL of ingest without its fsyncs: a test survives no power loss.
inline std::vector<std::string> create_statements(const RandomTable& table) {
  std::string columns, names, key;
  for (size_t index = 0; index < table.columns.size(); ++index) {
    const auto& column = table.columns[index];
    columns += (index == 0 ? "" : ", ") + column.name + " " + column.warehouse_type;
    names += (index == 0 ? "" : ", ") + column.name;
    if (index < table.key_columns) key += (index == 0 ? "" : ", ") + column.name;
  }
  const std::string bookkeeping = "_committed_at DateTime64(6, 'UTC'), _cut UInt64";
  std::string bronze = "bronze." + table.name;
  std::string window = " SETTINGS non_replicated_deduplication_window = 1000";
  return {
      table.log()
          ? "CREATE TABLE " + bronze + " (" + columns + ", _version UInt128, " + bookkeeping +
                ") ENGINE = MergeTree ORDER BY _version" + window
          : "CREATE TABLE " + bronze + " (" + columns + ", _version UInt128, _deleted UInt8, " + bookkeeping +
                ") ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (" + key + ")" + window,
      "CREATE VIEW " + bronze + "__current AS SELECT " + names + " FROM " + bronze +
          (table.log() ? "" : " FINAL WHERE _deleted = 0"),
      "CREATE TABLE " + bronze + "__changes (" + columns +
          ", _sign Int8, _op LowCardinality(String), _version UInt128, " + bookkeeping + ") ENGINE = Null",
      "CREATE TABLE truth." + table.name + " (" + columns + ") ENGINE = Memory"};
}

inline std::string tsv_row(const RandomTable& table, const Row& row) {
  std::string line;
  for (size_t index = 0; index < row.size(); ++index)
    line += (index == 0 ? "" : "\t") + tsv_field(table.columns[index], row[index]);
  return line;
}

class CutWriter {
 public:
  using Refresh =
      std::function<Status(uint64_t cut, Version version, const std::vector<std::string>& tables)>;

  CutWriter(clickhouse::Client& client, const std::vector<RandomTable>& tables, uint64_t seed)
      : client_(client), tables_(tables), faults_(seed) {}

  uint64_t number() const { return cut_; }
  const std::string& story() const { return story_; }

  // What the initial copy does: all rows as cut 0; models are rebuilt by the caller afterwards.
  Status copy(const RandomSource& source, uint64_t lsn) {
    for (size_t index = 0; index < tables_.size(); ++index) {
      Part part{.table = index};
      Version version = make_version(1, lsn, 0);
      for (const auto& row : source.rows(index)) {
        part.rows += bronze_row(tables_[index], tsv_row(tables_[index], row), version, false, 0);
        part.changes += change_row(tsv_row(tables_[index], row), 1, "insert", version, 0);
      }
      if (part.rows.empty()) continue;
      TRY_VOID(send(tables_[index].name + "__changes", part.changes, "copy:changes"));
      TRY_VOID(send(tables_[index].name, part.rows, "copy"));
    }
    return {};
  }

  // One cut. `refresh` is called when all parts are in; `killed` whenever the writer starts over.
  Status write(const std::vector<RandomTransaction>& transactions, const Refresh& refresh,
               const std::function<void()>& killed) {
    ++cut_;
    story_ = fmt::format("cut {}: {} transactions", cut_, transactions.size());
    std::vector<Step> steps = steps_of(transactions);
    std::vector<std::string> touched;
    for (const auto& step : steps)
      if (std::find(touched.begin(), touched.end(), step.table) == touched.end())
        touched.push_back(step.table);
    Version last = make_version(1, transactions.back().lsn, ordinal_max);
    steps.push_back({"models", [&, touched] { return refresh(cut_, last, touched); }});
    for (int life = 0;; ++life) {
      bool dies = life < 3 && faults_.one_in(4);
      size_t until = dies ? faults_.below(steps.size() + 1) : steps.size();
      for (size_t index = 0; index < until; ++index) TRY_VOID(steps[index].run());
      if (!dies) return {};
      if (until < steps.size() && steps[until].breakable && faults_.one_in(3)) {
        TRY_VOID(break_a_view(steps[until]));
        story_ += fmt::format(", a view failed in step {} of {}", until, steps.size());
      } else {
        story_ += fmt::format(", killed after step {} of {}", until, steps.size());
      }
      killed();
    }
  }

 private:
  struct Part {
    size_t table = 0;
    std::string changes, rows;
    size_t count = 0;
    bool truncate = false;
    Version version = 0;
  };
  struct Step {
    std::string table;
    std::function<Status()> run;
    bool breakable = false;
  };

  std::vector<Step> steps_of(const std::vector<RandomTransaction>& transactions) {
    std::vector<std::vector<Part>> parts(tables_.size());
    // Every part is two INSERTs, so small ones are for small cuts only.
    size_t changes = 0;
    for (const auto& transaction : transactions) changes += transaction.changes.size();
    uint64_t part_rows = 1 + changes / 8 + faults_.below(40);
    for (const auto& transaction : transactions) {
      uint64_t ordinal = 0;
      for (const auto& change : transaction.changes) {
        ++ordinal;
        Version older = make_version(1, transaction.lsn, 2 * ordinal), newer = older + 1;
        auto& own = parts[change.table];
        if (change.kind == RowChange::Kind::truncate) {
          own.push_back({.table = change.table, .truncate = true, .version = newer});
          continue;
        }
        if (own.empty() || own.back().truncate || own.back().count >= part_rows)
          own.push_back({.table = change.table});
        add(own.back(), change, older, newer);
      }
    }
    std::vector<Step> steps;
    std::vector<size_t> order;
    for (size_t index = 0; index < parts.size(); ++index)
      order.insert(order.begin() + static_cast<ptrdiff_t>(faults_.below(order.size() + 1)), index);
    for (size_t index : order)
      for (size_t number = 0; number < parts[index].size(); ++number)
        add_steps(steps, parts[index][number], fmt::format("{}:{}:{}", cut_, tables_[index].name, number));
    return steps;
  }

  void add(Part& part, const RowChange& change, Version older, Version newer) {
    const RandomTable& table = tables_[part.table];
    std::string before = change.before.empty() ? "" : tsv_row(table, change.before);
    std::string after = change.after.empty() ? "" : tsv_row(table, change.after);
    bool moved = change.kind == RowChange::Kind::move;
    const char* operation = change.kind == RowChange::Kind::insert   ? "insert"
                            : change.kind == RowChange::Kind::update ? "update"
                                                                     : "delete";
    ++part.count;
    if (!before.empty()) part.changes += change_row(before, -1, operation, older, cut_);
    if (!before.empty() && (after.empty() || moved))
      part.rows += bronze_row(table, tombstone(table, change.before), older, true, cut_);
    if (after.empty()) return;
    part.changes += change_row(after, 1, moved ? "insert" : operation, newer, cut_);
    part.rows += bronze_row(table, after, newer, false, cut_);
  }

  void add_steps(std::vector<Step>& steps, const Part& part, const std::string& token) {
    const RandomTable& table = tables_[part.table];
    if (!part.truncate) {
      steps.push_back({table.name,
                       [=, this] { return send(table.name + "__changes", part.changes, token + ":changes"); },
                       true});
      steps.push_back({table.name, [=, this] { return send(table.name, part.rows, token); }});
      return;
    }
    // As Applier::send_truncate.
    std::string version = fmt::format("toUInt128('{}')", fmt::to_string(part.version));
    std::string tail = version + ", toDateTime64('2026-01-01 00:00:00', 6, 'UTC'), " + std::to_string(cut_);
    std::string columns = joined_names(table, table.columns.size()),
                key = joined_names(table, table.key_columns);
    std::string rows = " FROM bronze." + table.name + " FINAL WHERE _deleted = 0 AND _version < " + version;
    steps.push_back({table.name, [=, this] {
                       return execute("INSERT INTO bronze." + table.name + "__changes (" + columns +
                                          ", _sign, _op, _version, _committed_at, _cut) SELECT " + columns +
                                          ", -1, 'truncate', " + tail + rows + " ORDER BY " + key,
                                      token + ":changes");
                     }});
    steps.push_back({table.name, [=, this] {
                       auto done = client_.execute("INSERT INTO bronze." + table.name + " (" + key +
                                                   ", _deleted, _version, _committed_at, _cut) SELECT " +
                                                   key + ", 1, " + tail + rows);
                       return done;
                     }});
  }

  static std::string joined_names(const RandomTable& table, size_t last) {
    std::string text;
    for (const auto& name : table.names(0, last)) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  static std::string tombstone(const RandomTable& table, const Row& row) {
    std::string line;
    for (size_t index = 0; index < row.size(); ++index) {
      const auto& column = table.columns[index];
      std::string nothing = column.nullable() ? "\\N" : "0";
      if (!column.nullable() && column.family == Family::text) nothing = "";
      if (!column.nullable() && column.family == Family::boolean) nothing = "false";
      if (!column.nullable() && column.family == Family::date) nothing = "1970-01-01";
      if (!column.nullable() && column.family == Family::moment) nothing = "1970-01-01 00:00:00";
      if (column.family == Family::uuid) nothing = "00000000-0000-0000-0000-000000000000";
      if (column.family == Family::list) nothing = "[]";
      line +=
          (index == 0 ? "" : "\t") + (index < table.key_columns ? tsv_field(column, row[index]) : nothing);
    }
    return line;
  }

  static std::string bronze_row(const RandomTable& table, const std::string& row, Version version,
                                bool deleted, uint64_t cut) {
    return fmt::format("{}\t{}{}\t2026-01-01 00:00:00\t{}\n", row, fmt::to_string(version),
                       table.log() ? "" : (deleted ? "\t1" : "\t0"), cut);
  }
  static std::string change_row(const std::string& row, int sign, const char* operation, Version version,
                                uint64_t cut) {
    return fmt::format("{}\t{}\t{}\t{}\t2026-01-01 00:00:00\t{}\n", row, sign, operation,
                       fmt::to_string(version), cut);
  }

  Status send(const std::string& table, const std::string& rows, const std::string& token) {
    return execute("INSERT INTO bronze." + table + " FORMAT TabSeparated\n" + rows, token);
  }

  Status execute(const std::string& sql, const std::string& token) {
    clickhouse::QueryOptions options;
    options.settings = clickhouse::exactly_once_settings("shop:1:" + token);
    return client_.execute(sql, options);
  }

  // One more view on the change rows that throws: the INSERT fails with some views fed and some not.
  Status break_a_view(const Step& step) {
    std::string name = fmt::format("bronze.broken_{}", faults_.below(1000));
    TRY_VOID(client_.execute("CREATE MATERIALIZED VIEW " + name +
                             " ENGINE = Null AS SELECT throwIf(_cut > 0) AS x FROM bronze." + step.table +
                             "__changes"));
    Status sent = step.run();
    TRY_VOID(client_.execute("DROP VIEW " + name + " SYNC"));
    if (sent) return fail(ErrorKind::internal, "the broken view did not break the insert");
    return {};
  }

  clickhouse::Client& client_;
  const std::vector<RandomTable>& tables_;
  Random faults_;
  uint64_t cut_ = 0;
  std::string story_;
};

// The true rows, in plain tables of database truth.
inline Status load_truth(clickhouse::Client& client, const RandomSource& source) {
  for (size_t index = 0; index < source.tables().size(); ++index) {
    const RandomTable& table = source.tables()[index];
    std::string rows;
    for (const auto& row : source.rows(index)) rows += tsv_row(table, row) + "\n";
    TRY_VOID(client.execute("TRUNCATE TABLE truth." + table.name));
    if (!rows.empty())
      TRY_VOID(client.execute("INSERT INTO truth." + table.name + " FORMAT TabSeparated\n" + rows));
  }
  return {};
}

}  // namespace tidemark::models
