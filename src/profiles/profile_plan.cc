#include "profiles/profile_plan.h"

#include "ingest/known_keys.h"

#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

ColumnType text() {
  return ColumnType::of(TypeKind::string);
}

// Named columns of one row, in any order; what is not named is the type's zero.
class RowWriter {
 public:
  explicit RowWriter(Block& block) : block_(block) {}
  ~RowWriter() = default;

  template <class T>
  RowWriter& put(std::string_view name, const T& value) {
    Column& column = *block_.find(name);
    if constexpr (std::is_convertible_v<T, std::string_view>)
      column.append_text(value);
    else
      column.append(value);
    return *this;
  }
  RowWriter& put_list(std::string_view name, const std::vector<std::string>& values) {
    Column& column = *block_.find(name);
    for (const auto& value : values) column.element().append_text(value);
    column.close_array();
    return *this;
  }
  void end() {
    size_t rows = 0;
    for (const auto& column : block_.columns) rows = std::max(rows, column.rows());
    for (auto& column : block_.columns)
      if (column.rows() < rows) column.append_default();
  }

 private:
  Block& block_;
};

Version version_of(uint64_t step, bool row) {
  return static_cast<Version>(step) * 2 + (row ? 1 : 0);
}

Version digits(std::string_view text) {
  Version version = 0;
  for (char digit : text) version = version * 10 + static_cast<Version>(digit - '0');
  return version;
}

}  // namespace

std::vector<std::string> text_list(const Column& column, size_t row) {
  std::vector<std::string> values;
  for (size_t at = column.array_begin(row); at < column.array_end(row); ++at)
    values.emplace_back(column.element().text(at));
  return values;
}

uint64_t edge_hash(const std::string& origin, const std::vector<std::string>& ids) {
  return ingest::KnownKeys::hash(fmt::format("{}\n{}", origin, fmt::join(ids, "\n")));
}

std::string row_origin(const std::string& table, const std::string& row_key) {
  // No kind of ids begins so.
  return "=" + table + ":" + row_key;
}

Block plan_block(const Plan& plan) {
  Block block;
  ColumnType number = ColumnType::of(TypeKind::uint64), moment = ColumnType::of(TypeKind::int64);
  block.add("step", number);
  for (const char* name : {"what", "id", "old_profile", "profile"}) block.add(name, text());
  block.add("old_seen", moment);
  block.add("seen", moment);
  block.add("edge", number);
  block.add("origin", text());
  block.add("ids", ColumnType::array_of(text()));
  block.add("at", moment);
  block.add("message", text());
  block.add("gone", ColumnType::of(TypeKind::uint8));
  block.add("cut", number);
  block.add("floor", ColumnType::of(TypeKind::uint128));
  for (const auto& change : plan.ids) {
    RowWriter row(block);
    row.put("step", plan.step).put("what", "id").put("id", change.id).put("old_profile", change.old_profile);
    row.put("profile", change.profile).put("old_seen", change.old_seen).put("seen", change.seen).end();
  }
  for (const auto& change : plan.edges) {
    RowWriter row(block);
    row.put("step", plan.step).put("what", "edge").put("edge", change.edge).put("origin", change.origin);
    row.put_list("ids", change.ids).put("at", change.at).put("message", change.order);
    row.put("gone", static_cast<uint8_t>(change.gone)).end();
  }
  for (const auto& cut : plan.cuts) {
    RowWriter row(block);
    row.put("step", plan.step).put("what", "cut").put("id", cut.table).put("cut", cut.cut);
    row.put("floor", digits(cut.floor)).end();
  }
  for (const auto& one : plan.erased) {
    RowWriter row(block);
    row.put("step", plan.step).put("what", "erased").put("id", one.table).put("message", one.aside).end();
  }
  for (const auto& change : plan.rows) {
    RowWriter row(block);
    row.put("step", plan.step).put("what", "row").put("origin", change.table).put("id", change.row_key);
    row.put("old_profile", change.old_profile).end();
  }
  return block;
}

Result<std::optional<Plan>> newest_plan(clickhouse::ClientPool& pool, const ProfileTables& tables) {
  std::optional<Plan> plan;
  TRY_VOID(pool.lease()->query_blocks(
      fmt::format(
          "SELECT step, what, id, old_profile, profile, old_seen, seen, edge, origin, ids, at, message, "
          "gone, cut, toString(floor) AS floor FROM {0} WHERE step = (SELECT max(step) FROM {0})",
          tables.plans),
      {}, [&](const Block& block) -> Status {
        auto at = [&](std::string_view name) -> const Column& { return *block.find(name); };
        auto word = [&](std::string_view name, size_t row) { return std::string(at(name).text(row)); };
        for (size_t row = 0; row < block.rows(); ++row) {
          if (!plan) plan.emplace();
          plan->step = at("step").get<uint64_t>(row);
          std::string what = word("what", row);
          if (what == "id")
            plan->ids.push_back({.id = word("id", row),
                                 .old_profile = word("old_profile", row),
                                 .profile = word("profile", row),
                                 .old_seen = at("old_seen").get<int64_t>(row),
                                 .seen = at("seen").get<int64_t>(row)});
          else if (what == "edge")
            plan->edges.push_back({.edge = at("edge").get<uint64_t>(row),
                                   .origin = word("origin", row),
                                   .ids = text_list(at("ids"), row),
                                   .at = at("at").get<int64_t>(row),
                                   .order = word("message", row),
                                   .gone = at("gone").get<uint8_t>(row) != 0});
          else if (what == "cut")
            plan->cuts.push_back(
                {.table = word("id", row), .cut = at("cut").get<uint64_t>(row), .floor = word("floor", row)});
          else if (what == "erased")
            plan->erased.push_back({.table = word("id", row), .aside = word("message", row)});
          else if (what == "row")
            plan->rows.push_back({.table = word("origin", row),
                                  .row_key = word("id", row),
                                  .old_profile = word("old_profile", row)});
        }
        return {};
      }));
  return plan;
}

Block edge_block(const std::vector<EdgeChange>& edges, uint64_t version) {
  Block block;
  block.add("id", text());
  block.add("edge", ColumnType::of(TypeKind::uint64));
  block.add("origin", text());
  block.add("ids", ColumnType::array_of(text()));
  block.add("at", ColumnType::of(TypeKind::int64));
  block.add("message", text());
  block.add("_version", ColumnType::of(TypeKind::uint64));
  block.add("_deleted", ColumnType::of(TypeKind::uint8));
  for (const auto& edge : edges) {
    std::vector<std::string> entries = edge.ids;
    if (!edge.origin.empty()) entries.push_back(edge.origin);
    for (const auto& id : entries) {
      RowWriter row(block);
      row.put("id", id).put("edge", edge.edge).put("origin", edge.origin).put_list("ids", edge.ids);
      row.put("at", edge.at).put("message", edge.order).put("_version", version);
      row.put("_deleted", static_cast<uint8_t>(edge.gone)).end();
    }
  }
  return block;
}

Block map_block(const ProfileTables& tables, const std::vector<IdChange>& ids, uint64_t step,
                int64_t now_micros, bool signed_rows) {
  using namespace ingest::bookkeeping;
  Block block;
  for (const auto& column : tables.ids.source.columns) block.add(column.name, column.target);
  block.add(version, ColumnType::of(TypeKind::uint128));
  block.add(committed_at, ColumnType::datetime64(6, "UTC"));
  block.add(cut, ColumnType::of(TypeKind::uint64));
  if (signed_rows) {
    block.add(sign, ColumnType::of(TypeKind::int8));
    block.add(operation, text());
  } else {
    block.add(deleted, ColumnType::of(TypeKind::uint8));
  }
  auto add = [&](const IdChange& change, bool old, bool tombstone) {
    RowWriter row(block);
    size_t colon = change.id.find(':');
    row.put("id", change.id)
        .put("kind", change.id.substr(0, colon))
        .put("value", change.id.substr(colon + 1));
    row.put("profile_id", old ? change.old_profile : change.profile);
    row.put("seen", old ? change.old_seen : change.seen);
    row.put(version, version_of(step, !old)).put(committed_at, now_micros).put(cut, step);
    if (signed_rows)
      row.put(sign, static_cast<int8_t>(old ? -1 : 1)).put(operation, old ? "delete" : "insert");
    else
      row.put(deleted, static_cast<uint8_t>(tombstone));
    row.end();
  };
  for (const auto& change : ids) {
    if (signed_rows) {
      if (!change.old_profile.empty()) add(change, true, false);
      if (!change.profile.empty()) add(change, false, false);
    } else {
      bool gone = change.profile.empty();
      add(change, gone, gone);
    }
  }
  return block;
}

}  // namespace tidemark::profiles
