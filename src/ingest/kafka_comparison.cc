#include "ingest/kafka_comparison.h"

#include "base/cut_number.h"
#include "base/limits.h"
#include "clickhouse/schema.h"

namespace tidemark::ingest {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

// Key changes of one row behind each other: each pass finds the values of one more.
constexpr int resolve_passes_max = 64;

std::string joined(const std::vector<std::string>& parts, const char* between = ", ") {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

std::string literal(Version version) {
  return fmt::format("toUInt128('{}')", version);
}

std::string is_left_out(size_t index) {
  return fmt::format("position(_unchanged, ',{},') > 0", index);
}

uint64_t number(const Block& block, size_t column, size_t row) {
  return block.columns[column].get<uint64_t>(row);
}

std::string column(size_t index) {
  return KafkaScratch::column(index);
}

}  // namespace

KafkaComparison::KafkaComparison(KafkaScratch& scratch, size_t number, const CapturedTable& table,
                                 KafkaKept kept, std::vector<uint64_t> cuts)
    : scratch_(scratch),
      number_(number),
      table_(table),
      kept_(std::move(kept)),
      cuts_(std::move(cuts)),
      columns_(table.source.columns.size()) {}

// ---- pieces of SQL ----

std::vector<std::string> KafkaComparison::keys() const {
  if (table_.log) return {"_version"};
  std::vector<std::string> names;
  for (size_t index : table_.source.key) names.push_back(column(index));
  return names;
}

std::string KafkaComparison::key_list() const {
  return joined(keys());
}

std::string KafkaComparison::bronze_key() const {
  return table_.log ? "_version" : clickhouse::quote_list(table_.key_names());
}

std::string KafkaComparison::same_key(const std::string& left, const std::string& right) const {
  std::vector<std::string> terms;
  for (const auto& key : keys()) terms.push_back(left + key + " = " + right + key);
  return joined(terms, " AND ");
}

// NULL and the type's zero must differ, in arrays too, and a JSON document is compared as its text.
std::string KafkaComparison::hashable(size_t index, const std::string& text) const {
  const ColumnType& type = table_.source.columns[index].target;
  if (type.kind == TypeKind::json) return fmt::format("toString({})", text);
  if (type.kind == TypeKind::array) return fmt::format("toString({})", text);
  if (type.nullable) return fmt::format("isNull({0}), ifNull(toString({0}), '')", text);
  return text;
}

std::string KafkaComparison::hash() const {
  std::vector<std::string> values;
  for (size_t index = 0; index < columns_; ++index) values.push_back(hashable(index, column(index)));
  return "reinterpretAsUInt128(sipHash128(" + joined(values) + "))";
}

// In what folded() gives: the value of a column.
std::string KafkaComparison::value(size_t index) const {
  const auto& key = table_.source.key;
  if (std::find(key.begin(), key.end(), index) != key.end()) return column(index);
  if (left_out_.contains(index)) return fmt::format("tupleElement(_value_{}, 1)", index);
  size_t place = 1;
  for (size_t before = 0; before < index; ++before)
    place += left_out_.contains(before) || std::find(key.begin(), key.end(), before) != key.end() ? 0 : 1;
  return fmt::format("tupleElement(_newest, {})", place + 2);
}

std::string KafkaComparison::fold_columns(const std::string& upto) const {
  std::vector<std::string> newest = {"_deleted", "1"};
  std::vector<std::string> folded;
  const auto& key = table_.source.key;
  for (size_t index = 0; index < columns_; ++index) {
    if (std::find(key.begin(), key.end(), index) != key.end()) continue;
    if (left_out_.contains(index))
      folded.push_back(
          fmt::format("argMaxIf(tuple({0}, _deleted, 1), _version, NOT ({2}) AND {3}) AS _value_{1}",
                      column(index), index, is_left_out(index), upto));
    else
      newest.push_back(column(index));
  }
  folded.push_back(
      fmt::format("argMaxIf(tuple({}), _version, _patch = 0 AND {}) AS _newest", joined(newest), upto));
  return joined(folded);
}

std::string KafkaComparison::not_sure() const {
  std::vector<std::string> terms = {"0"};
  for (size_t index : left_out_)
    terms.push_back(fmt::format("tupleElement(_value_{0}, 3) = 0 OR tupleElement(_value_{0}, 2) = 1", index));
  return joined(terms, " OR ");
}

std::string KafkaComparison::beginning() const {
  Version newest = table_.log ? kept_.since.value_or(0) : 0;
  for (const auto& truncate : truncates_)
    if (truncate.stage <= stage_) newest = std::max(newest, truncate.version);
  return literal(newest);
}

// Of a table with a key: the rows that there are, up to the fence.
std::string KafkaComparison::folded() const {
  std::vector<std::string> values;
  for (size_t index = 0; index < columns_; ++index)
    values.push_back(fmt::format("{} AS {}", value(index), column(index)));
  return fmt::format(
      "SELECT {0}, {1} AS _unsure FROM (SELECT {2}, {3} FROM {4} WHERE _stage <= {5} AND _version >= {6} "
      "GROUP "
      "BY {2}) WHERE tupleElement(_newest, 1) = 0",
      joined(values), not_sure(), key_list(), fold_columns("1"), scratch_.changes(number_), stage_,
      beginning());
}

// Keys, _hash, _rows, _unsure.
std::string KafkaComparison::expected(const std::string& filter) const {
  if (!table_.log)
    return fmt::format("SELECT {}, {} AS _hash, 1 AS _rows, _unsure FROM ({}) WHERE {}", key_list(), hash(),
                       folded(), filter);
  return fmt::format(
      "SELECT _version, sumWithOverflow({}) AS _hash, count() AS _rows, 0 AS _unsure FROM {} WHERE _stage <= "
      "{} AND _version >= {} AND {} GROUP BY _version",
      hash(), scratch_.changes(number_), stage_,
      kept_.since ? literal(std::max(*kept_.since, Version{0})) : beginning(), filter);
}

std::string KafkaComparison::fenced() const {
  if (cuts_.size() == 1) return fmt::format("_cut <= {}", cuts_.front());
  std::vector<std::string> cuts;
  for (uint64_t cut : cuts_) cuts.push_back(std::to_string(cut));
  return fmt::format("_cut <= arrayElement([{}], intDiv(_cut, {}) + 1)", joined(cuts), cuts_a_stream);
}

// The rows of the table under our names for its columns.
std::string KafkaComparison::bronze_rows(const std::string& filter) const {
  std::vector<std::string> values;
  for (size_t index = 0; index < columns_; ++index)
    values.push_back(quote_identifier(table_.source.columns[index].name) + " AS " + column(index));
  return fmt::format("SELECT {}, _version{} FROM {} {} WHERE {}", joined(values),
                     table_.log ? "" : ", _deleted", table_.target(), table_.log ? "" : "FINAL", filter);
}

std::string KafkaComparison::actual(const std::string& filter) const {
  if (!table_.log)
    return fmt::format("SELECT {}, {} AS _hash, 1 AS _rows, _version FROM ({}) WHERE {}", key_list(), hash(),
                       bronze_rows("_deleted = 0"), filter);
  return fmt::format(
      "SELECT _version, sumWithOverflow({}) AS _hash, count() AS _rows FROM ({}) WHERE {} GROUP BY _version",
      hash(), bronze_rows(fenced()), filter);
}

// Only a message that is not kept could explain a row of this version.
std::string KafkaComparison::older(const std::string& version) const {
  std::vector<std::string> terms = {"0"};
  if (kept_.since) terms.push_back(fmt::format("{} < {}", version, literal(*kept_.since)));
  std::string offset = fmt::format("toInt64(toUInt64(bitShiftRight({}, 48)) - 1)", version);
  // Of kafka_order.h: partition, 20 bits of the row, one of the side.
  std::string partition =
      fmt::format("toUInt64(bitShiftRight(bitAnd({}, {}), 21))", version, literal(ordinal_max));
  for (const auto& [in, first] : kept_.first)
    terms.push_back(fmt::format("({} = {} AND {} < {})", partition, in, offset, first));
  // A log keeps what compaction takes away.
  if (table_.log)
    for (int32_t in : kept_.holes)
      terms.push_back(kept_.by_offset ? fmt::format("{} = {}", partition, in) : std::string("1"));
  return "(" + joined(terms, " OR ") + ")";
}

// ---- the steps ----

// A value that the new half of a key change leaves out is the old key's: it is written down as a patch of the
// new half, with its version. The old half is the delete one version before.
Status KafkaComparison::resolve(const std::set<size_t>& left_out) {
  left_out_ = left_out;
  for (size_t index : table_.source.key) left_out_.erase(index);
  const std::string changes = scratch_.changes(number_);
  std::vector<std::string> from;
  std::vector<std::string> to;
  std::vector<std::string> same;
  std::vector<std::string> old_keys;
  for (size_t key : table_.source.key) {
    from.push_back(fmt::format("{} AS _from_{}", column(key), key));
    to.push_back(fmt::format("{} AS _to_{}", column(key), key));
    old_keys.push_back(fmt::format("_from_{}", key));
    same.push_back(fmt::format("{} = _from_{}", column(key), key));
  }
  std::vector<std::string> new_keys;
  for (size_t key : table_.source.key) new_keys.push_back(fmt::format("_to_{}", key));
  for (size_t index : left_out_) {
    std::string others = ",";
    for (size_t other = 0; other < columns_; ++other)
      if (other != index) others += fmt::format("{},", other);
    std::string moved = fmt::format(
        "SELECT {0}, _version AS _at, _stage AS _at_stage FROM {1} WHERE _patch = 0 AND {2} AND _version IN "
        "(SELECT toUInt128(_version + 1) FROM {1} WHERE _deleted = 1) AND ({3}, _version) NOT IN (SELECT "
        "{3}, "
        "_version FROM {1} WHERE _patch = 1 AND NOT ({2}))",
        joined(to), changes, is_left_out(index), key_list());
    std::string moves = fmt::format(
        "SELECT * FROM (SELECT {}, toUInt128(_version + 1) AS _next FROM {} WHERE _deleted = 1) AS gone "
        "INNER "
        "JOIN ({}) AS came ON _next = _at",
        joined(from), changes, moved);
    std::string patch = fmt::format(
        "INSERT INTO {0} ({1}, {2}, _version, _deleted, _unchanged, _stage, _patch) SELECT {3}, "
        "tupleElement(_found, 1), _at, 0, '{4}', _at_stage, 1 FROM (SELECT {3}, _at, _at_stage, "
        "argMax(tuple({2}, _deleted), _version) AS _found FROM {0} AS earlier INNER JOIN ({5}) AS moves ON "
        "{6} "
        "WHERE NOT ({7}) AND _version < _at - 1 GROUP BY {3}, _at, _at_stage) WHERE tupleElement(_found, 2) "
        "= 0",
        changes, key_list(), column(index), joined(new_keys), others, moves, joined(same, " AND "),
        is_left_out(index));
    uint64_t before = 0;
    for (int pass = 0; pass < resolve_passes_max; ++pass) {
      Block count = TRY(scratch_.query(fmt::format("SELECT count() FROM {} WHERE _patch = 1", changes)));
      if (pass > 0 && number(count, 0, 0) == before) break;
      before = number(count, 0, 0);
      TRY_VOID(scratch_.execute(patch));
    }
  }
  return {};
}

Result<std::vector<KafkaComparison::Bucket>> KafkaComparison::sums(const std::string& rows) {
  Block found = TRY(
      scratch_.query(fmt::format("SELECT sipHash64({}) % {} AS _bucket, sumWithOverflow(toUInt64(_rows)), "
                                 "sumWithOverflow(_hash) FROM ({}) GROUP BY _bucket",
                                 key_list(), limits::parity_buckets, rows)));
  std::vector<Bucket> buckets(limits::parity_buckets);
  for (size_t row = 0; row < found.rows(); ++row) {
    // The smallest type that has room for the remainder.
    const Column& bucket = found.columns[0];
    size_t index = bucket.type().width() == 8   ? bucket.get<uint64_t>(row)
                   : bucket.type().width() == 4 ? bucket.get<uint32_t>(row)
                                                : bucket.get<uint16_t>(row);
    buckets.at(index) = {number(found, 1, row), found.columns[2].get<Version>(row)};
  }
  return buckets;
}

Status KafkaComparison::compare(uint8_t stage, std::vector<KafkaReplay::Truncate> truncates) {
  stage_ = stage;
  truncates_ = std::move(truncates);
  auto source = TRY(sums(expected()));
  auto warehouse = TRY(sums(actual()));
  std::vector<size_t> batch;
  uint64_t rows = 0;
  for (size_t bucket = 0; bucket < limits::parity_buckets; ++bucket) {
    rows_ += source[bucket].rows;
    if (source[bucket].rows == warehouse[bucket].rows && source[bucket].sum == warehouse[bucket].sum)
      continue;
    batch.push_back(bucket);
    rows += std::max(source[bucket].rows, warehouse[bucket].rows);
    if (rows < limits::parity_detail_rows_max) continue;
    TRY_VOID(differences(std::exchange(batch, {})));
    rows = 0;
  }
  if (!batch.empty()) TRY_VOID(differences(batch));
  return copy_moving();
}

Status KafkaComparison::differences(const std::vector<size_t>& buckets) {
  std::vector<std::string> list;
  for (size_t bucket : buckets) list.push_back(std::to_string(bucket));
  std::string filter =
      fmt::format("sipHash64({}) % {} IN ({})", key_list(), limits::parity_buckets, joined(list));
  std::vector<std::string> names;
  for (const auto& key : keys())
    names.push_back(fmt::format("if(source._there = 1, source.{0}, warehouse.{0}) AS {0}", key));
  if (!table_.log) names.emplace_back("warehouse._version AS _version");
  return scratch_.execute(fmt::format(
      "INSERT INTO {} ({}_version, _what, _rows) SELECT * FROM (SELECT {}, multiIf(source._unsure = 1, "
      "'unsure', source._rows < warehouse._rows, if({}, 'older', 'extra'), source._rows > warehouse._rows, "
      "'missing', source._hash != warehouse._hash, 'different', '') AS _what, if(source._rows = "
      "warehouse._rows, source._rows, greatest(source._rows, warehouse._rows) - least(source._rows, "
      "warehouse._rows)) AS _rows FROM (SELECT *, 1 AS _there FROM ({})) AS source FULL OUTER JOIN (SELECT "
      "*, "
      "1 AS _there FROM ({})) AS warehouse ON {}) WHERE _what != ''",
      scratch_.differences(number_), table_.log ? "" : key_list() + ", ", joined(names),
      older("warehouse._version"), expected(filter), actual(filter), same_key("source.", "warehouse.")));
}

// After the comparison: what was newer than the fence then still is.
Status KafkaComparison::copy_moving() {
  std::vector<std::string> values;
  for (const auto& source : table_.source.columns) values.push_back(quote_identifier(source.name));
  std::string into =
      fmt::format("INSERT INTO {} SELECT {}, _version, ", scratch_.moving(number_), joined(values));
  if (table_.log) {
    TRY_VOID(scratch_.execute(fmt::format("{}0 FROM {} WHERE NOT ({})", into, table_.target(), fenced())));
  } else {
    TRY_VOID(scratch_.execute(fmt::format(
        "{0}_deleted FROM {1} WHERE ({2}) GLOBAL IN (SELECT {2} FROM {1} WHERE NOT ({3}) AND ({2}) GLOBAL IN "
        "(SELECT {4} FROM {5})) ORDER BY _version DESC LIMIT 1 BY {2}",
        into, table_.target(), bronze_key(), fenced(), key_list(), scratch_.differences(number_))));
  }
  moving_ = number(TRY(scratch_.query("SELECT count() FROM " + scratch_.moving(number_))), 0, 0);
  return {};
}

// Keys that moved, with what their changes came to at the version that was copied.
std::string KafkaComparison::folded_as_of_copy() const {
  std::vector<std::string> versions;
  for (const auto& truncate : truncates_) versions.push_back(literal(truncate.version));
  std::string upto = "_version <= _at";
  if (!versions.empty())
    upto += fmt::format(
        " AND _version >= arrayMax(arrayPushBack(arrayFilter(one -> one <= _at, [{}]), toUInt128(0)))",
        joined(versions));
  std::vector<std::string> values;
  for (size_t index = 0; index < columns_; ++index)
    values.push_back(fmt::format("{} AS {}", value(index), column(index)));
  std::vector<std::string> copied;
  std::vector<std::string> same;
  for (const auto& key : keys()) {
    copied.push_back(key + " AS _copied" + key);
    same.push_back(key + " = _copied" + key);
  }
  return fmt::format(
      "SELECT {0}, {1} AS _unsure, tupleElement(_newest, 1) = 0 AND tupleElement(_newest, 2) = 1 AS _alive, "
      "_seen, _early FROM (SELECT {2}, {3}, max(_version = _at) AS _seen, maxIf(_version, _stage <= {4}) AS "
      "_early FROM {5} AS changes INNER JOIN (SELECT {6}, _version AS _at FROM {7}) AS copies ON {8} GROUP "
      "BY "
      "{2})",
      joined(values), not_sure(), key_list(), fold_columns(upto), stage_, scratch_.changes(number_),
      joined(copied), scratch_.moving(number_), joined(same, " AND "));
}

Status KafkaComparison::judge(std::vector<KafkaReplay::Truncate> truncates) {
  if (moving_ == 0) return {};
  if (table_.log) return judge_log();
  std::string emptied = beginning();  // up to the fence
  truncates_ = std::move(truncates);
  std::vector<std::string> versions;
  for (const auto& truncate : truncates_) versions.push_back(literal(truncate.version));
  std::string unknown = "changed._seen = 0";
  if (!versions.empty()) unknown += fmt::format(" AND NOT has([{}], copy._version)", joined(versions));
  // When every message is there, a version that none of them has is nobody's.
  std::string verdict_unknown =
      kept_.whole()
          ? "if(copy._deleted = 1, if(changed._alive, 'missing', ''), if(changed._alive, 'different', "
            "'extra'))"
          : "'moving'";
  std::vector<std::string> names;
  for (const auto& key : keys()) names.push_back(fmt::format("copy.{0} AS {0}", key));
  return scratch_.execute(fmt::format(
      "INSERT INTO {0} ({1}, _version, _what, _rows, _judged) SELECT * FROM (SELECT {2}, copy._version AS "
      "_version, multiIf({3}, {4}, changed._alive AND changed._unsure, 'unsure', changed._early > "
      "copy._version OR (copy._deleted = 0 AND copy._version < {5}), if(copy._deleted = 1, 'missing', "
      "'different'), changed._alive AND copy._deleted = 1, 'missing', NOT changed._alive AND copy._deleted = "
      "0, 'extra', changed._alive AND changed._hash != copy._hash, 'different', '') AS _what, 1 AS _rows, 1 "
      "AS _judged FROM (SELECT {1}, {6} AS _hash, _version, _deleted FROM {7}) AS copy LEFT JOIN (SELECT "
      "{1}, "
      "{6} AS _hash, _unsure, _alive, _seen, _early FROM ({8})) AS changed ON {9}) WHERE _what != ''",
      scratch_.differences(number_), key_list(), joined(names), unknown, verdict_unknown, emptied, hash(),
      scratch_.moving(number_), folded_as_of_copy(), same_key("copy.", "changed.")));
}

Status KafkaComparison::judge_log() {
  std::string rows =
      "SELECT _version, sumWithOverflow({0}) AS _hash, count() AS _rows FROM {1} WHERE {2} GROUP BY _version";
  std::string copied = fmt::format(fmt::runtime(rows), hash(), scratch_.moving(number_), "1");
  std::string changed =
      fmt::format(fmt::runtime(rows), hash(), scratch_.changes(number_),
                  fmt::format("_version IN (SELECT _version FROM {})", scratch_.moving(number_)));
  return scratch_.execute(fmt::format(
      "INSERT INTO {} (_version, _what, _rows, _judged) SELECT * FROM (SELECT copy._version AS _version, "
      "multiIf(copy._rows > changed._rows, if({}, 'older', 'extra'), copy._rows = changed._rows AND "
      "copy._hash "
      "!= changed._hash, 'different', '') AS _what, if(copy._rows > changed._rows, copy._rows - "
      "changed._rows, copy._rows) AS _rows, 1 AS _judged FROM ({}) AS copy LEFT JOIN ({}) AS changed ON "
      "copy._version = changed._version) WHERE _what != ''",
      scratch_.differences(number_), older("copy._version"), copied, changed));
}

// ---- what is said of it ----

std::string KafkaComparison::found(int judged) const {
  std::string filter = fmt::format("_judged = {}", judged);
  if (judged == 0 && !table_.log)
    filter += fmt::format(" AND ({0}) NOT IN (SELECT {0} FROM {1})", key_list(), scratch_.moving(number_));
  return fmt::format("SELECT * FROM {} WHERE {}", scratch_.differences(number_), filter);
}

std::string KafkaComparison::key_text() const {
  if (!table_.log)
    return table_.source.key.size() == 1 ? "toString(" + key_list() + ")"
                                         : "toString(tuple(" + key_list() + "))";
  std::string place = "toUInt64(bitShiftRight(_version, 48))";
  if (!kept_.by_offset) return fmt::format("concat('LSN ', toString({}))", place);
  return fmt::format(
      "concat('partition ', toString(toUInt64(bitShiftRight(bitAnd(_version, {}), 21))), ' offset "
      "', toString({} - 1))",
      literal(ordinal_max), place);
}

// "key (column, column)" of some rows that differ.
Result<std::vector<std::string>> KafkaComparison::named_columns(int judged) {
  std::string which =
      fmt::format("({0}) IN (SELECT {0} FROM ({1}) WHERE _what = 'different' ORDER BY {0} LIMIT {2})",
                  key_list(), found(judged), limits::parity_examples_max);
  std::vector<std::string> any;
  for (size_t index = 0; index < columns_; ++index)
    any.push_back(fmt::format("any({0}) AS {0}", column(index)));
  std::string source;
  std::string warehouse;
  if (table_.log) {
    source = fmt::format("SELECT _version, {} FROM {} WHERE {} GROUP BY _version", joined(any),
                         scratch_.changes(number_), which);
    warehouse = fmt::format("SELECT _version, {} FROM ({}) WHERE {} GROUP BY _version", joined(any),
                            bronze_rows("1"), which);
  } else {
    source = fmt::format("SELECT * FROM ({}) WHERE {}", judged == 0 ? folded() : folded_as_of_copy(), which);
    warehouse = judged == 0 ? fmt::format("SELECT * FROM ({}) WHERE {}", bronze_rows("_deleted = 0"), which)
                            : fmt::format("SELECT * FROM {} WHERE {}", scratch_.moving(number_), which);
  }
  std::vector<std::string> names;
  for (size_t index = 0; index < columns_; ++index)
    names.push_back(fmt::format(
        "if(sipHash128({}) != sipHash128({}), {}, '')", hashable(index, "source." + column(index)),
        hashable(index, "warehouse." + column(index)), quote_string(table_.source.columns[index].name)));
  std::vector<std::string> selected;
  for (const auto& key : keys()) selected.push_back(fmt::format("source.{0} AS {0}", key));
  Block rows = TRY(scratch_.query(fmt::format(
      "SELECT {} AS key, _names FROM (SELECT {}, arrayStringConcat(arrayFilter(one -> one != '', [{}]), ', "
      "') AS "
      "_names FROM ({}) AS source INNER JOIN ({}) AS warehouse ON {}) ORDER BY key",
      key_text(), joined(selected), joined(names), source, warehouse, same_key("source.", "warehouse."))));
  std::vector<std::string> named;
  for (size_t row = 0; row < rows.rows(); ++row)
    named.push_back(fmt::format("{} ({})",
                                rows.columns[0].text(row).substr(0, limits::parity_example_bytes_max),
                                rows.columns[1].text(row).substr(0, limits::parity_example_bytes_max)));
  return named;
}

Result<TableParity> KafkaComparison::report() {
  TableParity report;
  report.table = table_.display();
  report.rows = rows_;
  uint64_t unknown = 0;
  for (int judged : {0, 1}) {
    Block counts = TRY(scratch_.query(fmt::format(
        "SELECT toString(_what) AS what, sum(_rows) AS rows FROM ({}) GROUP BY what", found(judged))));
    for (size_t row = 0; row < counts.rows(); ++row) {
      std::string_view what = counts.columns[0].text(row);
      uint64_t& counter = what == "missing"     ? report.missing
                          : what == "extra"     ? report.extra
                          : what == "different" ? report.different
                          : what == "moving"    ? report.moving
                                                : unknown;
      counter += number(counts, 1, row);
    }
    auto example = [&](const std::string& text) {
      if (report.examples.size() < limits::parity_examples_max) report.examples.push_back(text);
    };
    if (report.different > 0)
      for (const auto& text : TRY(named_columns(judged))) example("different: " + text);
    Block some =
        TRY(scratch_.query(fmt::format("SELECT toString(_what) AS what, {} AS key FROM ({}) WHERE what IN "
                                       "('missing', 'extra', 'unsure') ORDER BY what, "
                                       "key LIMIT {}",
                                       key_text(), found(judged), limits::parity_examples_max)));
    for (size_t row = 0; row < some.rows(); ++row) {
      std::string_view what = some.columns[0].text(row);
      std::string key(some.columns[1].text(row).substr(0, limits::parity_example_bytes_max));
      example(what == "unsure" ? "not judged, a value was left out that no kept message has: " + key
                               : std::string(what) + ": " + key);
    }
  }
  report.not_judged = unknown;
  return report;
}

}  // namespace tidemark::ingest
