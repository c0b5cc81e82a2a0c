#include "segments/compile.h"

#include "clickhouse/schema.h"
#include "segments/canonical.h"
#include "segments/definition_group.h"
#include "segments/event_leaf_plan.h"
#include "segments/few_entities.h"
#include "segments/joined_rows.h"
#include "segments/manual_lists.h"
#include "segments/segment_limits.h"
#include "segments/segment_references.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

// "12.5" (percent) as 125000.
int64_t millionths(const std::string& percent) {
  size_t point = percent.find('.');
  std::string behind = point == std::string::npos ? "" : percent.substr(point + 1);
  behind.resize(4, '0');
  return std::stoll(percent.substr(0, point)) * 10'000 + std::stoll(behind);
}

// A condition's two columns and the layer from which on they are there.
struct Place {
  std::string value, next;  // next: empty when it never changes
  size_t layer = 0;
  size_t leaf = 0;  // its number, when it is one
};

struct Query {
  std::string sql;
  std::vector<std::string> key;
};

// One query: entities, what is joined to them, the tree in layers of subqueries (each level of the tree reads
// columns of the level below, so that expressions stay short).
class Compiler {
 public:
  Compiler(SqlContext& context, Catalog& catalog, const CompileOptions& options, int nesting)
      : context_(context), catalog_(catalog), options_(options), nesting_(nesting) {}

  // `passed`: columns of the entity that the result has too, as texts _b0, _b1, ...
  Result<Query> compile(
      const std::vector<const Definition*>& definitions, const std::vector<Node>& conditions,
      const std::function<KeyFilter(const TableShape&, const std::vector<std::string>&)>& filter,
      const std::vector<std::string>& passed) {
    const Definition& first = *definitions.front();
    if (!TRY(find_entity(first))) return Query{};
    keys_ = filter(shape_, key_);
    events_ = &events_of(first, options_);
    std::vector<Place> roots;
    for (const Node& condition : conditions) roots.push_back(TRY(place(condition)));
    return assemble(roots, passed);
  }

  // The conditions as trees over leaves, for evaluation in memory.
  Result<FewQuery> compile_few(const std::vector<const Definition*>& definitions,
                               const std::vector<Node>& conditions) {
    FewQuery query;
    const Definition& first = *definitions.front();
    if (!TRY(find_entity(first))) return query;
    keys_ = KeyFilter::bound(key_types_);
    events_ = &events_of(first, options_);
    for (const Node& condition : conditions) query.roots.push_back(TRY(plan(condition, query)));
    query.row_leaves = leaves_made_;
    row_columns_.push_back(fmt::format("{} AS _key", key_text()));
    std::string columns = "_key";
    for (size_t index = 0; index < leaves_made_; ++index)
      columns += fmt::format(", _l{}, toInt64({})", index, next_of_leaf(index, never));
    query.entities = fmt::format("SELECT {} FROM ({})", columns, entity_rows({}));
    if (!query.event_leaves.empty()) query.events = pass_->rows_sql(keys_, limits::few_events_max);
    query.bound.key = key_;
    query.kept = kept_query(query);
    return query;
  }

  // Whether all that is read can be read by ranges of the key: joined rows are found by other columns.
  bool by_ranges() const {
    return key_.size() == 1 && joins_.empty() && KeyFilter::has_range(key_types_.front()) &&
           (!pass_ || !pass_->text_keys());
  }
  const std::string& key_type() const { return key_types_.front(); }
  std::string bounds_sql(size_t slice) const {
    return fmt::format(
        "SELECT toString(k) FROM (SELECT k, rowNumberInAllBlocks() AS n FROM (SELECT {} AS k FROM {} ORDER "
        "BY "
        "k)) WHERE n % {} = {} GROUP BY k ORDER BY k",
        clickhouse::quote_identifier(key_.front()), shape_.read, slice, slice - 1);
  }

  std::vector<CompiledLeaf> leaves;

 private:
  std::optional<KeptQuery> kept_query(const FewQuery& query) {
    KeptQuery made;
    auto columns = kept_columns(query.event_leaves, pass_ ? pass_->numbers() : 0, pass_ ? pass_->texts() : 0);
    if (!columns) return std::nullopt;
    made.columns = std::move(*columns);
    made.keys = fmt::format("SELECT {} AS _key FROM {} ORDER BY {} LIMIT {{most:UInt64}}", key_text(),
                            shape_.read, fmt::join(quoted(key_), ", "));
    if (query.event_leaves.empty()) return made;
    made.events = pass_->kept_sql(made.columns, keys_, limits::few_events_max);
    made.given = pass_->given_sql(made.columns);
    made.constants = pass_->constants_sql(made.columns);
    if (auto seconds = pass_->back_seconds()) made.back_us = *seconds * 1'000'000;
    return made;
  }

  Result<PlanNode> plan(const Node& node, FewQuery& query) {
    const std::vector<Node>* children = nullptr;
    PlanNode made;
    if (auto* all = std::get_if<All>(&node.condition)) {
      made.kind = PlanNode::Kind::all;
      children = &all->children;
    } else if (auto* any = std::get_if<Any>(&node.condition)) {
      made.kind = PlanNode::Kind::any;
      children = &any->children;
    } else if (auto* negation = std::get_if<Not>(&node.condition)) {
      made.kind = PlanNode::Kind::negation;
      children = &negation->child;
    }
    if (children != nullptr) {
      for (const Node& child : *children) made.children.push_back(TRY(plan(child, query)));
      return made;
    }
    auto* event = std::get_if<EventCondition>(&node.condition);
    auto* sequence = std::get_if<Sequence>(&node.condition);
    if (event == nullptr && sequence == nullptr) {
      made.leaf = TRY(place(node)).leaf;
      return made;
    }
    made.kind = PlanNode::Kind::events;
    auto [known, is_new] = event_leaves_.emplace(canonical_text(node), query.event_leaves.size());
    made.leaf = known->second;
    if (is_new && TRY(has_events(node.where)))
      query.event_leaves.push_back(event != nullptr ? event_leaf(context_, *pass_, *event, node.where)
                                                    : sequence_leaf(context_, *pass_, *sequence, node.where));
    return made;
  }

  // The instant at which a leaf's answer may change.
  std::string next_of_leaf(size_t index, const std::string& otherwise) const {
    for (const auto& [text, place] : places_)
      if (place.value == fmt::format("_l{}", index) && !place.next.empty()) return place.next;
    return otherwise;
  }

  Result<bool> find_entity(const Definition& first) {
    shape_ = TRY(catalog_.table(first.entity));
    if (!shape_.exists) {
      context_.problems.push_back({first.where,
                                   fmt::format("there is no table or model `{}`{}", first.entity,
                                               config::did_you_mean(first.entity, TRY(catalog_.names()))),
                                   ""});
      return false;
    }
    key_ = first.key.empty() ? shape_.key : first.key;
    if (key_.empty()) {
      context_.problems.push_back({first.where, fmt::format("{} says no key by itself", first.entity),
                                   "Name the columns that identify an entity: key: [id]"});
      return false;
    }
    for (const std::string& column : key_) {
      if (shape_.type(column) == nullptr) {
        context_.problems.push_back({first.where,
                                     fmt::format("{} has no column `{}`{}", first.entity, column,
                                                 config::did_you_mean(column, shape_.columns)),
                                     ""});
        return false;
      }
      key_types_.push_back(*shape_.type(column));
    }
    rows_ = std::make_unique<RowSource>(shape_, "", context_.zone);
    return true;
  }

  RowScope entity_scope() {
    return {[this](const Path& path) { return rows_->find(path); }, shape_.name + " has", shape_.columns};
  }

  std::string key_text() {
    std::vector<std::string> texts;
    for (const std::string& column : key_)
      texts.push_back(fmt::format("ifNull(toString({}), '')", rows_->column(column)));
    return texts.size() == 1 ? texts.front() : fmt::format("toJSONString([{}])", fmt::join(texts, ", "));
  }

  // A leaf computed in the entity's row.
  Place row_leaf(Truth truth, const std::string& observed) { return leaf(row_columns_, truth, observed); }
  // A leaf computed after the joins.
  Place joined_leaf(Truth truth, const std::string& observed) {
    return leaf(joined_columns_, truth, observed);
  }

  Place leaf(std::vector<std::string>& columns, const Truth& truth, const std::string& observed) {
    size_t index = leaves_made_++;
    Place place{fmt::format("_l{}", index), truth.next.empty() ? "" : fmt::format("_t{}", index), 0, index};
    columns.push_back(fmt::format("toUInt8({}) AS {}", truth.value, place.value));
    if (!truth.next.empty()) columns.push_back(fmt::format("{} AS {}", truth.next, place.next));
    if (options_.leaves && nesting_ == 0)
      columns.push_back(fmt::format(
          "{} AS _w{}", observed.empty() ? "''" : fmt::format("ifNull({}, '')", observed), index));
    return place;
  }

  Result<Place> place(const Node& node) {
    std::string text = canonical_text(node);
    if (auto known = places_.find(text); known != places_.end()) return known->second;
    size_t before = leaves_made_;
    Place made = TRY(make_place(node));
    if (leaves_made_ != before && made.layer == 0) {
      leaves.resize(leaves_made_);
      leaves[leaves_made_ - 1] = {text, node.where};
    }
    places_[text] = made;
    return made;
  }

  Result<Place> make_place(const Node& node) {
    if (auto* all = std::get_if<All>(&node.condition)) return group(all->children, true);
    if (auto* any = std::get_if<Any>(&node.condition)) return group(any->children, false);
    if (auto* negation = std::get_if<Not>(&node.condition)) {
      Place child = TRY(place(negation->child.front()));
      return in_layer(child.layer + 1, fmt::format("(NOT {})", child.value), child.next);
    }
    if (auto* property = std::get_if<PropertyCondition>(&node.condition))
      return property_place(*property, node.where);
    if (auto* event = std::get_if<EventCondition>(&node.condition)) {
      if (!TRY(has_events(node.where))) return Place{"toUInt8(0)", "", 0};
      EventTruth truth = event_sql(context_, *pass_, *event, node.where);
      return joined_leaf(truth.truth, truth.observed);
    }
    if (auto* sequence = std::get_if<Sequence>(&node.condition)) {
      if (!TRY(has_events(node.where))) return Place{"toUInt8(0)", "", 0};
      EventTruth truth = sequence_sql(context_, *pass_, *sequence, node.where);
      return joined_leaf(truth.truth, truth.observed);
    }
    if (auto* list = std::get_if<InList>(&node.condition)) {
      bool there = TRY(catalog_.table(manual_list_table)).exists;
      std::string value = "0";
      if (there)
        value = fmt::format("{} IN ({})", key_text(),
                            manual_list_query(context_.parameters.add("String", list->list)));
      return row_leaf({value, ""}, "");
    }
    if (auto* share = std::get_if<RandomShare>(&node.condition)) {
      std::string seed = context_.parameters.add("String", share->seed);
      std::string hash = fmt::format(
          "reinterpretAsUInt64(reverse(substring(SHA256(concat({}, '\\0', {})), 1, 8)))", seed, key_text());
      return row_leaf({fmt::format("{} % 1000000 < {}", hash, millionths(share->percent)), ""}, "");
    }
    if (auto* related = std::get_if<Related>(&node.condition)) return related_place(*related, node.where);
    if (auto* users = std::get_if<OfUsers>(&node.condition)) return users_place(*users, node.where);
    context_.problems.push_back({node.where, "this cannot stand here", ""});
    return Place{"toUInt8(0)", "", 0};
  }

  // Makes the pass when the first condition asks for events: entities without any need no event tables.
  Result<bool> has_events(const Location& where) {
    if (pass_) return !events_->empty();
    if (events_->empty())
      context_.problems.push_back(
          {where, "a condition over events, and there are no event tables",
           "Add a source of kind `events`, or say below `events` of the segment which table has them."});
    pass_ = TRY(EventPass::make(context_, catalog_, *events_, key_types_));
    return !events_->empty();
  }

  Place in_layer(size_t layer, const std::string& value, const std::string& next) {
    if (layers_.size() < layer) layers_.resize(layer);
    size_t index = nodes_made_++;
    Place place{fmt::format("_v{}", index), next.empty() ? "" : fmt::format("_n{}", index), layer};
    layers_[layer - 1].push_back(fmt::format("toUInt8({}) AS {}", value, place.value));
    if (!next.empty()) layers_[layer - 1].push_back(fmt::format("{} AS {}", next, place.next));
    return place;
  }

  Result<Place> group(const std::vector<Node>& children, bool all) {
    std::vector<std::string> values, nexts, blockers;
    size_t layer = 0;
    bool changes = false;
    for (const Node& child : children) {
      Place part = TRY(place(child));
      values.push_back(part.value);
      nexts.push_back(part.next);
      changes = changes || !part.next.empty();
      // What holds the group where it is: all of these must turn before it can.
      blockers.push_back(fmt::format("if({}{}, 0, {})", all ? "" : "NOT ", part.value,
                                     part.next.empty() ? never : part.next));
      layer = std::max(layer, part.layer);
    }
    std::string value = all ? all_of(values) : any_of(values);
    if (!changes) return in_layer(layer + 1, value, "");
    std::string held =
        blockers.size() == 1 ? blockers.front() : fmt::format("greatest({})", fmt::join(blockers, ", "));
    std::string next = all ? fmt::format("if({}, {}, {})", value, earliest(nexts), held)
                           : fmt::format("if({}, {}, {})", value, held, earliest(nexts));
    return in_layer(layer + 1, value, next);
  }

  Result<Place> property_place(const PropertyCondition& condition, const Location& where) {
    auto operand = rows_->find(condition.path);
    std::string observed = operand ? operand->text : "";
    auto* test = std::get_if<HasBeen>(&condition.test);
    if (test == nullptr || !operand)
      return row_leaf(property_sql(context_, entity_scope(), condition, where), observed);
    std::string id = fmt::format("_j{}", joins_.size());
    Joined history = TRY(value_history(context_, shape_, key_, keys_, condition, id, where));
    if (history.sql.empty()) return Place{"toUInt8(0)", "", 0};
    row_columns_.push_back(fmt::format("toUInt8({}) AS {}_is",
                                       is_one_of(context_.parameters, *operand, test->values).value, id));
    join(history, key_);
    std::string due = fmt::format("({}_since + {})", id, microseconds(test->seconds));
    std::string passed = fmt::format("{} >= {}", as_of, due);
    return joined_leaf(
        {fmt::format("({}_is AND {})", id, test->less ? fmt::format("NOT ({})", passed) : passed),
         fmt::format("if({}_is AND {} > {}, {}, {})", id, due, as_of, due, never)},
        fmt::format("toString(fromUnixTimestamp64Micro({}_since, 'UTC'))", id));
  }

  // `columns`: of the entity, equal to the joined query's.
  void join(const Joined& joined, const std::vector<std::string>& columns) {
    std::vector<std::string> on;
    for (size_t index = 0; index < columns.size(); ++index) {
      size_t known =
          static_cast<size_t>(std::find(texts_.begin(), texts_.end(), columns[index]) - texts_.begin());
      if (known == texts_.size()) {
        texts_.push_back(columns[index]);
        row_columns_.push_back(fmt::format("toString({}) AS _o{}", rows_->column(columns[index]), known));
      }
      on.push_back(fmt::format("_e._o{} = {}", known, joined.columns[index]));
    }
    joins_.push_back(
        fmt::format(" LEFT JOIN ({}) AS _q{} ON {}", joined.sql, joins_.size(), fmt::join(on, " AND ")));
  }

  bool has_columns(const std::vector<std::string>& columns, const Location& where) {
    for (const std::string& column : columns)
      if (shape_.type(column) == nullptr) {
        context_.problems.push_back({where,
                                     fmt::format("{} has no column `{}`{}", shape_.name, column,
                                                 config::did_you_mean(column, shape_.columns)),
                                     ""});
        return false;
      }
    return true;
  }

  std::vector<std::string> quoted(const std::vector<std::string>& columns) const {
    std::vector<std::string> names;
    for (const auto& column : columns) names.push_back(clickhouse::quote_identifier(column));
    return names;
  }

  // Rows of other tables that belong to the wanted entities by `columns` of theirs.
  KeyFilter through(const std::vector<std::string>& columns) const {
    return KeyFilter::through(keys_, shape_.read, quoted(columns), quoted(key_), key_types_);
  }

  Result<Place> related_place(const Related& related, const Location& where) {
    if (!has_columns(related.of, where)) return Place{"toUInt8(0)", "", 0};
    Joined rows = TRY(related_rows(context_, catalog_, related, through(related.of),
                                   fmt::format("_r{}_{}", nesting_, joins_.size()), where));
    if (rows.sql.empty()) return Place{"toUInt8(0)", "", 0};
    join(rows, related.of);
    return joined_leaf(rows.truth, rows.observed);
  }

  Result<Place> users_place(const OfUsers& users, const Location& where) {
    Place nothing{"toUInt8(0)", "", 0};
    if (nesting_ > 0) {
      context_.problems.push_back(
          {where, "`users` inside of `users`", "Make the inner part a segment or a model."});
      return nothing;
    }
    TableShape shape = TRY(catalog_.table(users.entity));
    if (shape.exists && users.columns.size() != key_.size()) {
      context_.problems.push_back(
          {where,
           fmt::format("`by` names {} columns and the key of {} has {}", users.columns.size(), shape_.name,
                       key_.size()),
           "Name the columns of the users that equal the group's key, in that order."});
      return nothing;
    }
    for (const std::string& column : users.columns)
      if (shape.exists && shape.type(column) == nullptr) {
        context_.problems.push_back({where,
                                     fmt::format("{} has no column `{}`{}", users.entity, column,
                                                 config::did_you_mean(column, shape.columns)),
                                     ""});
        return nothing;
      }
    Definition inner;
    inner.entity = users.entity;
    inner.key = users.key;
    inner.where = where;
    Compiler compiler(context_, catalog_, options_, nesting_ + 1);
    const KeyFilter outer = keys_;
    const auto key_types = key_types_;
    auto filter = [&](const TableShape& of_users, const std::vector<std::string>& user_key) {
      if (outer.everything()) return outer;
      std::vector<std::string> by, by_types;
      for (const std::string& column : users.columns) {
        by.push_back(clickhouse::quote_identifier(column));
        by_types.push_back(*of_users.type(column));
      }
      return KeyFilter::through(outer, of_users.read, quoted(user_key), by, by_types);
    };
    Query query = TRY(compiler.compile({&inner}, users.where, filter, users.columns));
    if (query.sql.empty()) return nothing;
    std::string id = fmt::format("_u{}", joins_.size());
    Joined joined;
    std::vector<std::string> groups, columns;
    for (size_t index = 0; index < users.columns.size(); ++index) {
      joined.columns.push_back(fmt::format("{}_c{}", id, index));
      columns.push_back(fmt::format("_b{} AS {}", index, joined.columns.back()));
    }
    joined.sql = fmt::format(
        "SELECT {}, countIf(member_0) AS {}_yes, count() AS {}_all, min(_next_0) AS {}_next FROM ({}) GROUP "
        "BY {}",
        fmt::join(columns, ", "), id, id, id, query.sql, fmt::join(joined.columns, ", "));
    join(joined, key_);
    Truth truth{users.quantifier == OfUsers::Quantifier::any
                    ? fmt::format("({}_yes > 0)", id)
                    : fmt::format("({0}_all > 0 AND {0}_yes = {0}_all)", id),
                fmt::format("if({0}_all = 0, {1}, {0}_next)", id, never)};
    return joined_leaf(truth, fmt::format("concat(toString({0}_yes), ' of ', toString({0}_all))", id));
  }

  // A row per entity with its key _k0, ..., the leaves and what is joined for them.
  std::string entity_rows(const std::vector<std::string>& passed) {
    std::vector<std::string> columns, types, row = row_columns_;
    for (size_t index = 0; index < key_.size(); ++index) {
      row.push_back(fmt::format("{} AS _k{}", rows_->column(key_[index]), index));
      columns.push_back(clickhouse::quote_identifier(key_[index]));
      types.push_back(key_types_[index]);
    }
    for (size_t index = 0; index < passed.size(); ++index)
      row.push_back(fmt::format("toString({}) AS _b{}", rows_->column(passed[index]), index));
    std::string wanted = keys_.condition(columns, types);
    std::string sql = fmt::format("SELECT {} FROM (SELECT {} FROM {}{})", fmt::join(row, ", "),
                                  fmt::join(rows_->computed(), ", "), shape_.read,
                                  wanted.empty() ? "" : " WHERE " + wanted);
    std::string joins = fmt::format("{}", fmt::join(joins_, ""));
    if (pass_ && pass_->used()) {
      // Under names of their own: beside another join, `_e.*` would not be called _k0 where both sides have
      // it.
      std::vector<std::string> on, own, renamed;
      for (size_t index = 0; index < key_.size(); ++index) {
        on.push_back(pass_->text_keys() ? fmt::format("toString(_e._k{0}) = _pk{0}", index)
                                        : fmt::format("_e._k{0} = _pk{0}", index));
        own.push_back(fmt::format("_k{}", index));
        renamed.push_back(fmt::format("_k{0} AS _pk{0}", index));
      }
      joins +=
          fmt::format(" LEFT JOIN (SELECT * EXCEPT ({}), {} FROM ({})) AS _p ON {}", fmt::join(own, ", "),
                      fmt::join(renamed, ", "), pass_->sql(keys_), fmt::join(on, " AND "));
    }
    if (joined_columns_.empty()) return sql;
    return fmt::format("SELECT _e.*, {} FROM ({}) AS _e{}", fmt::join(joined_columns_, ", "), sql, joins);
  }

  Query assemble(const std::vector<Place>& roots, const std::vector<std::string>& passed) {
    std::string sql = entity_rows(passed);
    for (const auto& layer : layers_)
      sql = fmt::format("SELECT *, {} FROM ({})", fmt::join(layer, ", "), sql);
    Query query;
    std::vector<std::string> result;
    for (size_t index = 0; index < key_.size(); ++index) {
      result.push_back(fmt::format("_k{} AS {}", index, clickhouse::quote_identifier(key_[index])));
      query.key.push_back(key_[index]);
    }
    for (size_t index = 0; index < passed.size(); ++index) result.push_back(fmt::format("_b{}", index));
    for (size_t index = 0; index < roots.size(); ++index) {
      const Place& root = roots[index];
      result.push_back(fmt::format("{} AS member_{}", root.value, index));
      if (nesting_ > 0)
        result.push_back(fmt::format("{} AS _next_{}", root.next.empty() ? never : root.next, index));
      else
        result.push_back(fmt::format("{} AS next_change_at_{}", moment(root.next), index));
    }
    for (size_t index = 0; options_.leaves && nesting_ == 0 && index < leaves_made_; ++index) {
      result.push_back(fmt::format("_l{0} AS leaf_{0}, {1} AS leaf_next_{0}, _w{0} AS leaf_value_{0}", index,
                                   moment(next_of_leaf(index, ""))));
    }
    query.sql = fmt::format("SELECT {} FROM ({})", fmt::join(result, ", "), sql);
    return query;
  }

  static std::string moment(const std::string& next) {
    if (next.empty()) return "CAST(NULL, 'Nullable(DateTime64(6, \\'UTC\\'))')";
    return fmt::format("if({0} = {1}, NULL, fromUnixTimestamp64Micro({0}, 'UTC'))", next, never);
  }

  SqlContext& context_;
  Catalog& catalog_;
  const CompileOptions& options_;
  const int nesting_;
  TableShape shape_;
  std::vector<std::string> key_, key_types_;
  KeyFilter keys_;
  const std::vector<EventTable>* events_ = nullptr;
  std::unique_ptr<RowSource> rows_;
  std::unique_ptr<EventPass> pass_;
  std::vector<std::string> row_columns_, joined_columns_, joins_;
  std::vector<std::string> texts_;  // entity columns that are there as texts, _o0, _o1, ...
  std::vector<std::vector<std::string>> layers_;
  std::map<std::string, Place> places_;
  std::map<std::string, size_t> event_leaves_;  // of a FewQuery
  size_t leaves_made_ = 0, nodes_made_ = 0;
};

}  // namespace

Result<CompiledSegments> compile(Catalog& catalog, const std::vector<const Definition*>& definitions,
                                 const CompileOptions& options, std::vector<Problem>& problems) {
  CompiledSegments compiled;
  compiled.definitions = definitions.size();
  compiled.for_keys = options.for_keys;
  std::vector<Node> conditions = TRY(conditions_of(definitions, options, problems));
  Zone zone(compiled.parameters, zone_of(*definitions.front(), options));
  SqlContext context{compiled.parameters, zone, problems};
  Compiler compiler(context, catalog, options, 0);
  auto filter = [&](const TableShape& shape, const std::vector<std::string>& key) {
    std::vector<std::string> types;
    for (const std::string& column : key) types.push_back(*shape.type(column));
    if (options.for_keys) return KeyFilter::bound(std::move(types));
    return options.in_slices && types.size() == 1 && KeyFilter::has_range(types.front())
               ? KeyFilter::range(types.front())
               : KeyFilter::all();
  };
  Query query = TRY(compiler.compile(definitions, conditions, filter, {}));
  compiled.sql = query.sql;
  compiled.key = query.key;
  compiled.leaves = std::move(compiler.leaves);
  if (options.for_keys || !options.in_slices || !problems.empty()) return compiled;
  if (!compiler.by_ranges()) {
    CompileOptions whole = options;
    whole.in_slices = false;
    return compile(catalog, definitions, whole, problems);
  }
  compiled.range_type = bare_type(compiler.key_type());
  compiled.bounds = compiler.bounds_sql(options.slice);
  return compiled;
}

Result<FewQuery> compile_few(Catalog& catalog, const std::vector<const Definition*>& definitions,
                             const CompileOptions& options, std::vector<Problem>& problems) {
  std::vector<Node> conditions = TRY(conditions_of(definitions, options, problems));
  Parameters parameters;
  Zone zone(parameters, zone_of(*definitions.front(), options));
  SqlContext context{parameters, zone, problems};
  Compiler compiler(context, catalog, options, 0);
  FewQuery query = TRY(compiler.compile_few(definitions, conditions));
  query.bound.parameters = std::move(parameters);
  query.bound.definitions = definitions.size();
  query.bound.for_keys = true;
  return query;
}

clickhouse::QueryOptions query_options(const CompiledSegments& compiled, int64_t as_of_us,
                                       const std::vector<std::vector<std::string>>& keys) {
  clickhouse::QueryOptions options;
  compiled.parameters.into(options);
  options.parameters["as_of"] = std::to_string(as_of_us);
  for (size_t column = 0; column < compiled.key.size(); ++column) {
    std::vector<std::string> texts;
    for (const auto& key : keys) texts.push_back(key[column]);
    options.raw_parameters[fmt::format("keys{}", column)] = clickhouse::array_parameter(texts);
  }
  // Compiled expressions: of queries that run once, each of another text, making machine code took five times
  // as long as everything else. Aggregates: max() and min() of DateTime64, as for models.
  options.settings = {{"join_use_nulls", "0"},
                      {"transform_null_in", "0"},
                      {"compile_expressions", "0"},
                      {"compile_aggregate_expressions", "0"},
                      {"short_circuit_function_evaluation", "enable"},
                      {"cast_keep_nullable", "0"}};
  // Of everybody, events are grouped in the order in which they lie: states of a million people at once
  // would fill the memory and miss every cache.
  if (!compiled.for_keys && compiled.range_type.empty())
    options.settings.emplace("optimize_aggregation_in_order", "1");
  return options;
}

}  // namespace tidemark::segments
