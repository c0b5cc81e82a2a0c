#include "segments/few_entities.h"

#include "base/limits.h"
#include "segments/membership_diff.h"
#include "segments/segment_limits.h"

#include <algorithm>
#include <future>
#include <unordered_map>

namespace tidemark::segments {
namespace {

// The rows of one entity in a block of events.
class BlockEvents : public EntityEvents {
 public:
  explicit BlockEvents(const Block& block) : block_(block) {
    for (size_t index = 0; index < block.columns.size(); ++index)
      (block.names[index].starts_with("_c") ? numbers_ : texts_).push_back(index);
    // _key, _ts and _id come first and are neither.
    texts_.erase(texts_.begin(), texts_.begin() + std::min<ptrdiff_t>(3, std::ssize(texts_)));
  }

  void add(size_t row) { rows_.push_back(row); }
  void sort() {
    std::sort(rows_.begin(), rows_.end(), [&](size_t left, size_t right) {
      int64_t left_at = block_.columns[1].get<int64_t>(left),
              right_at = block_.columns[1].get<int64_t>(right);
      return left_at != right_at ? left_at < right_at
                                 : block_.columns[2].text(left) < block_.columns[2].text(right);
    });
  }

  size_t size() const override { return rows_.size(); }
  int64_t at(size_t event) const override { return block_.columns[1].get<int64_t>(rows_[event]); }
  int64_t number(size_t column, size_t event) const override {
    return block_.columns[numbers_[column]].get<int64_t>(rows_[event]);
  }
  std::optional<std::string_view> text(size_t column, size_t event) const override {
    const Column& values = block_.columns[texts_[column]];
    if (values.is_null(rows_[event])) return std::nullopt;
    return values.text(rows_[event]);
  }

 private:
  const Block& block_;
  std::vector<size_t> numbers_, texts_, rows_;
};

struct Facts {
  const FewQuery& query;
  const std::function<LeafAnswer(size_t leaf)>& row;
  const EntityEvents& events;
  int64_t as_of;
  std::vector<std::optional<LeafAnswer>>& known;  // of event leaves

  LeafAnswer operator()(const PlanNode& node) const {
    switch (node.kind) {
      case PlanNode::Kind::row:
        return row(node.leaf);
      case PlanNode::Kind::events:
        if (!known[node.leaf]) known[node.leaf] = answer(query.event_leaves[node.leaf], events, as_of);
        return *known[node.leaf];
      case PlanNode::Kind::negation: {
        LeafAnswer child = (*this)(node.children.front());
        return {!child.value, child.next};
      }
      case PlanNode::Kind::all:
        return group(node, true);
      case PlanNode::Kind::any:
        return group(node, false);
    }
    return {};
  }

  // What holds a group where it is (false for `all`, true for `any`): all of those must turn before it can.
  LeafAnswer group(const PlanNode& node, bool all) const {
    bool value = all;
    int64_t first = never_us, held = 0;
    for (const PlanNode& child : node.children) {
      LeafAnswer part = (*this)(child);
      if (part.value != all) {
        value = !all;
        held = std::max(held, part.next);
      }
      first = std::min(first, part.next);
    }
    return {value, value == all ? first : held};
  }
};

}  // namespace

std::vector<LeafAnswer> fold(const FewQuery& query, const std::function<LeafAnswer(size_t leaf)>& row,
                             const EntityEvents& events, int64_t as_of) {
  std::vector<std::optional<LeafAnswer>> known(query.event_leaves.size());
  Facts facts{query, row, events, as_of, known};
  std::vector<LeafAnswer> answers;
  for (const PlanNode& root : query.roots) answers.push_back(facts(root));
  return answers;
}

Result<std::optional<std::vector<EntityAnswer>>> ask_few(clickhouse::ClientPool& pool, const FewQuery& query,
                                                         int64_t as_of,
                                                         const std::vector<std::string>& entities) {
  std::vector<std::vector<std::string>> keys;
  for (const auto& entity : entities) keys.push_back(key_of_entity(entity, query.bound.key.size()));
  clickhouse::QueryOptions options = query_options(query.bound, as_of, keys);
  options.timeout = std::chrono::milliseconds(tidemark::limits::model_statement_ms_max);
  // Both questions, and the memberships, are asked side by side.
  if (entities.size() <= limits::one_thread_entities) options.settings["max_threads"] = "1";
  std::future<Result<Block>> asked;
  if (!query.events.empty())
    asked = std::async(std::launch::async, [&] { return pool.query(query.events, options); });
  Result<Block> rows = pool.query(query.entities, options);
  Result<Block> events = query.events.empty() ? Result<Block>(Block{}) : asked.get();
  if (!rows) return tl::unexpected(std::move(rows.error()));
  if (!events) return tl::unexpected(std::move(events.error()));
  if (events->rows() > limits::few_events_max) return std::optional<std::vector<EntityAnswer>>();

  std::unordered_map<std::string_view, BlockEvents> of;
  for (size_t row = 0; row < events->rows(); ++row)
    of.try_emplace(events->columns[0].text(row), *events).first->second.add(row);
  for (auto& [entity, own] : of) own.sort();
  const BlockEvents none(*events);
  std::vector<EntityAnswer> answers;
  for (size_t row = 0; row < rows->rows(); ++row) {
    EntityAnswer one{std::string(rows->columns[0].text(row)), {}};
    auto own = of.find(one.entity);
    auto row_leaf = [&](size_t leaf) -> LeafAnswer {
      return {rows->columns[1 + 2 * leaf].get<uint8_t>(row) != 0,
              rows->columns[2 + 2 * leaf].get<int64_t>(row)};
    };
    one.segments = fold(query, row_leaf, own == of.end() ? none : own->second, as_of);
    answers.push_back(std::move(one));
  }
  return std::optional(std::move(answers));
}

}  // namespace tidemark::segments
