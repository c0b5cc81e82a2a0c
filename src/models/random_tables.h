// For property tests: the tables of a shop as random streams fill them - columns of all families of types,
// a composite key, dimensions whose rows come late and go again, a log without a key. Values come from small
// domains, so that groups empty, keys meet again and NULLs are everywhere; each is kept as plain text and
// written in the dialect that is needed (ClickHouse TSV, Postgres SQL).
#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace tidemark::models {

// One stream of random numbers; what draws from it is replayed by its seed.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t below(uint64_t bound) { return engine_() % bound; }
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low + 1)));
  }
  bool one_in(uint64_t n) { return below(n) == 0; }
  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  std::string pick_text(std::initializer_list<const char*> list) { return list.begin()[below(list.size())]; }

 private:
  std::mt19937_64 engine_;
};

// What expressions may be made of a column.
enum class Family { integer, decimal, real, boolean, text, date, moment, uuid, list, opaque };

using Value = std::optional<std::string>;  // NULL; the text of a list is its elements, each ended by '\n'

struct RandomColumn {
  std::string name;
  Family family;
  std::string warehouse_type;
  std::string source_type;
  std::function<std::string(Random&)> value;
  int null_one_in = 0;  // 0: NOT NULL

  bool nullable() const { return null_one_in > 0; }
};

struct RandomTable {
  std::string name;
  std::vector<RandomColumn> columns;
  size_t key_columns = 1;  // the first ones; 0 for a log
  int weight = 1;          // how often the stream changes it

  bool log() const { return key_columns == 0; }
  std::vector<std::string> names(size_t first = 0, size_t last = SIZE_MAX) const {
    std::vector<std::string> list;
    for (size_t index = first; index < std::min(last, columns.size()); ++index)
      list.push_back(columns[index].name);
    return list;
  }
};

inline std::string whole_number(Random& random, int64_t low, int64_t high) {
  return fmt::to_string(random.between(low, high));
}
inline std::string decimal_number(Random& random, int64_t high, int scale) {
  int64_t fraction = 1;
  for (int digit = 0; digit < scale; ++digit) fraction *= 10;
  int64_t value = random.between(-high * fraction, high * fraction);
  if (random.one_in(6)) value = 0;
  return fmt::format("{}{}.{:0{}}", value < 0 ? "-" : "", std::abs(value) / fraction,
                     std::abs(value) % fraction, scale);
}
inline std::string calendar_day(Random& random) {
  if (random.one_in(40)) return random.pick_text({"1969-12-31", "1900-01-01", "2149-06-07", "2299-12-31"});
  return fmt::format("2026-{:02}-{:02}", random.between(1, 4), random.between(1, 28));
}
inline std::string point_in_time(Random& random) {
  if (random.one_in(40))
    return random.pick_text({"1969-12-31 23:59:59.999999", "1970-01-01 00:00:00.000000",
                             "2106-02-07 06:28:16.000000", "1900-01-01 00:00:00.000001"});
  return fmt::format("2026-0{}-0{} {:02}:{:02}:{:02}.{:06}", random.between(1, 3), random.between(1, 9),
                     random.between(0, 23), random.between(0, 59), random.between(0, 59),
                     random.one_in(2) ? 0 : random.between(0, 999999));
}
// Quarters: their sums are exact in any order, so a recompute gives the same bits.
inline std::string quarter(Random& random) {
  return fmt::format("{}", static_cast<double>(random.between(-4000, 4000)) / 4);
}
inline std::string word(Random& random) {
  if (random.one_in(12))
    return random.pick_text({"", " ", "it's", "a\\b", "\"q\"", "tab\there", "Ünïcødé", "日本", "NULL", "%_"});
  return random.pick_text({"red", "green", "blue", "Blue", "amber", "teal"});
}

inline std::vector<RandomTable> random_tables() {
  using F = Family;
  auto whole = [](int64_t low, int64_t high) {
    return [=](Random& r) { return whole_number(r, low, high); };
  };
  auto money = [](int64_t high, int scale) {
    return [=](Random& r) { return decimal_number(r, high, scale); };
  };
  auto truth = [](Random& r) { return std::string(r.one_in(2) ? "true" : "false"); };
  auto status = [](Random& r) { return r.pick_text({"new", "paid", "sent", "back"}); };
  auto words = [](Random& r) {
    std::string list;
    for (uint64_t left = r.below(4); left > 0; --left) list += word(r) + "\n";
    return list;
  };
  auto code = [](Random& r) { return fmt::format("00000000-0000-4000-8000-{:012}", r.below(5)); };
  std::vector<RandomTable> tables;
  tables.push_back(
      {"orders",
       {{"id", F::integer, "Int64", "bigint", whole(1, 400)},
        {"shop", F::integer, "Int32", "integer", whole(0, 5)},
        {"customer", F::integer, "Nullable(Int64)", "bigint", whole(1, 12), 6},
        {"status", F::text, "LowCardinality(String)", "order_status", status},
        {"buyer", F::text, "Nullable(String)", "text", word, 4},
        {"units", F::integer, "Int16", "smallint", whole(-30000, 30000)},
        {"price", F::decimal, "Decimal(10, 2)", "numeric(10,2)", money(2000, 2)},
        {"tip", F::decimal, "Nullable(Decimal(12, 4))", "numeric(12,4)", money(50, 4), 3},
        {"weight", F::real, "Float64", "double precision", quarter},
        {"score", F::real, "Nullable(Float64)", "double precision", quarter, 3},
        {"paid", F::boolean, "Bool", "boolean", truth},
        {"vip", F::boolean, "Nullable(Bool)", "boolean", truth, 3},
        {"day", F::date, "Date32", "date", calendar_day},
        {"due", F::date, "Nullable(Date32)", "date", calendar_day, 3},
        {"at", F::moment, "DateTime64(6)", "timestamp", point_in_time},
        {"shipped", F::moment, "Nullable(DateTime64(6, 'UTC'))", "timestamptz", point_in_time, 3},
        {"code", F::uuid, "UUID", "uuid", code},
        {"tags", F::list, "Array(String)", "text[]", words}},
       1,
       10});
  tables.push_back({"lines",
                    {{"id", F::integer, "Int64", "bigint", whole(1, 120)},
                     {"line", F::integer, "Int16", "smallint", whole(1, 4)},
                     {"shop", F::integer, "Int32", "integer", whole(0, 6)},
                     {"product", F::text, "String", "text", word},
                     {"quantity", F::integer, "Int32", "integer", whole(-5, 40)},
                     {"amount", F::decimal, "Decimal(18, 4)", "numeric(18,4)", money(900, 4)},
                     {"note", F::text, "Nullable(String)", "text", word, 2},
                     {"gift", F::boolean, "Bool", "boolean", truth}},
                    2,
                    6});
  tables.push_back({"shops",
                    {{"shop", F::integer, "Int32", "integer", whole(0, 6)},
                     {"name", F::text, "String", "text", word},
                     {"region", F::text, "Nullable(String)", "text", word, 3},
                     {"opened", F::date, "Date32", "date", calendar_day},
                     {"fee", F::decimal, "Decimal(14, 3)", "numeric(14,3)", money(9, 3)}},
                    1,
                    2});
  tables.push_back({"customers",
                    {{"customer", F::integer, "Int64", "bigint", whole(1, 14)},
                     {"tier", F::text, "Nullable(String)", "text", word, 3},
                     {"country", F::text, "LowCardinality(String)", "order_status", status},
                     {"credit", F::decimal, "Nullable(Decimal(12, 2))", "numeric(12,2)", money(900, 2), 4},
                     {"active", F::boolean, "Bool", "boolean", truth}},
                    1,
                    2});
  tables.push_back({"events",
                    {{"shop", F::integer, "Int32", "integer", whole(0, 5)},
                     {"customer", F::integer, "Nullable(Int64)", "bigint", whole(1, 14), 4},
                     {"action", F::text, "String", "text", word},
                     {"amount", F::decimal, "Decimal(12, 2)", "numeric(12,2)", money(300, 2)},
                     {"at", F::moment, "DateTime64(6, 'UTC')", "timestamptz", point_in_time}},
                    0,
                    4});
  tables.push_back({"rates",
                    {{"shop", F::integer, "Int32", "integer", whole(0, 5)},
                     {"since", F::moment, "DateTime64(6)", "timestamp", point_in_time},
                     {"rate", F::decimal, "Decimal(18, 4)", "numeric(18,4)", money(20, 4)}},
                    2,
                    2});
  return tables;
}

// --- dialects

inline std::string tsv_escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

inline std::vector<std::string> list_elements(const std::string& text) {
  std::vector<std::string> elements;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    elements.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return elements;
}

// A field of TabSeparated.
inline std::string tsv_field(const RandomColumn& column, const Value& value) {
  if (!value) return "\\N";
  if (column.family != Family::list) return tsv_escaped(*value);
  std::string out = "[";
  for (const auto& element : list_elements(*value)) {
    std::string quoted;
    for (char c : tsv_escaped(element)) quoted += c == '\'' ? "\\'" : std::string(1, c);
    out += (out.size() > 1 ? ",'" : "'") + quoted + "'";
  }
  return out + "]";
}

// A literal of Postgres.
inline std::string source_literal(const RandomColumn& column, const Value& value) {
  if (!value) return "NULL";
  auto quoted = [](const std::string& text) {
    std::string out = "'";
    for (char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + "'";
  };
  if (column.family == Family::list) {
    std::string out = "ARRAY[";
    for (const auto& element : list_elements(*value)) out += (out.size() > 6 ? ", " : "") + quoted(element);
    return out + "]::text[]";
  }
  std::string text =
      column.family == Family::moment && column.source_type == "timestamptz" ? *value + "+00" : *value;
  return quoted(text) + "::" + column.source_type;
}

}  // namespace tidemark::models
