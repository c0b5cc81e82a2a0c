#include "ingest/table_shape.h"

#include "ingest/table_limits.h"
#include "postgres/type_decoder.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

namespace tidemark::ingest {

namespace {

namespace json = boost::json;

std::vector<int> key_numbers(const postgres::SourceTable& table) {
  std::vector<int> numbers;
  for (size_t column : table.key) numbers.push_back(table.columns[column].attribute_number);
  return numbers;
}

bool same_but_for_numbers(const TableForm& left, const TableForm& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](const auto& a, const auto& b) {
    return a.name == b.name && a.type_oid == b.type_oid && a.type_modifier == b.type_modifier;
  });
}

std::set<std::string> leaves(const std::string& storage) {
  std::set<std::string> list;
  for (size_t from = 0; from < storage.size();) {
    size_t end = std::min(storage.find(',', from), storage.size());
    list.insert(storage.substr(from, end - from));
    from = end + 1;
  }
  return list;
}

// Rows that came or went with a whole partition are not in the stream.
std::string partition_change(const std::string& before, const std::string& now) {
  auto oid = [](const std::string& leaf) { return leaf.substr(0, leaf.find(':')); };
  std::set<std::string> old_oids;
  std::set<std::string> new_oids;
  for (const auto& leaf : leaves(before)) old_oids.insert(oid(leaf));
  for (const auto& leaf : leaves(now)) new_oids.insert(oid(leaf));
  for (const auto& one : old_oids)
    if (!new_oids.contains(one)) return "a partition was detached or dropped";
  for (const auto& leaf : leaves(now))
    if (leaf.ends_with(":a") && !old_oids.contains(oid(leaf))) return "a partition was attached";
  return {};
}

}  // namespace

std::string TableShape::to_json() const {
  json::array form_list;
  for (const auto& form : forms) {
    json::array columns;
    for (const auto& column : form)
      columns.push_back(json::array{column.number, column.name, column.type_oid, column.type_modifier});
    form_list.push_back(std::move(columns));
  }
  json::array definition_list;
  for (const auto& [number, definition] : definitions)
    definition_list.push_back(json::array{number, definition});
  json::array value_list;
  for (const auto& [number, value] : values_before) value_list.push_back(json::array{number, value});
  return json::serialize(json::object{{"storage", storage},
                                      {"key", json::array(key.begin(), key.end())},
                                      {"log", log},
                                      {"last_number", last_number},
                                      {"definitions", std::move(definition_list)},
                                      {"forms", std::move(form_list)},
                                      {"values_before", std::move(value_list)},
                                      {"selection", selection}});
}

Result<TableShape> TableShape::from_json(std::string_view text) try {
  json::value value = json::parse(text);
  TableShape shape;
  shape.storage = value.at("storage").as_string();
  for (const auto& number : value.at("key").as_array()) shape.key.push_back(number.to_number<int>());
  shape.log = value.at("log").as_bool();
  shape.last_number = value.at("last_number").to_number<int>();
  for (const auto& one : value.at("definitions").as_array())
    shape.definitions[one.at(0).to_number<int>()] = one.at(1).to_number<uint32_t>();
  for (const auto& one : value.at("forms").as_array()) {
    TableForm form;
    for (const auto& column : one.as_array())
      form.push_back({.number = column.at(0).to_number<int>(),
                      .name = std::string(column.at(1).as_string()),
                      .type_oid = column.at(2).to_number<uint32_t>(),
                      .type_modifier = column.at(3).to_number<int32_t>()});
    shape.forms.push_back(std::move(form));
  }
  for (const auto& one : value.at("values_before").as_array())
    shape.values_before[one.at(0).to_number<int>()] = std::string(one.at(1).as_string());
  if (const auto* selection = value.as_object().if_contains("selection"))  // earlier versions had none
    shape.selection = selection->as_string();
  if (shape.forms.empty()) return fail(ErrorKind::corrupt, "the shape of a table has no form");
  return shape;
} catch (const std::exception& error) {
  return fail(ErrorKind::corrupt, fmt::format("the shape of a table cannot be read: {}", error.what()));
}

const TableForm* TableShape::find(const postgres::Relation& relation) const {
  TableForm sent = form_of(relation);
  for (auto known = forms.rbegin(); known != forms.rend(); ++known)
    if (same_but_for_numbers(*known, sent)) return &*known;
  return nullptr;
}

TableForm form_of(const postgres::SourceTable& table) {
  TableForm form;
  for (const auto& column : table.columns)
    form.push_back({.number = column.attribute_number,
                    .name = column.name,
                    .type_oid = column.type_oid,
                    .type_modifier = column.type_modifier});
  return form;
}

TableForm form_of(const postgres::Relation& relation) {
  TableForm form;
  for (const auto& column : relation.columns)
    form.push_back({.name = column.name, .type_oid = column.type_oid, .type_modifier = column.type_modifier});
  return form;
}

TableShape shape_of(const CapturedTable& table) {
  TableShape shape{.storage = table.source.storage,
                   .key = key_numbers(table.source),
                   .log = table.log,
                   .last_number = table.source.last_number,
                   .selection = table.source.selection.text()};
  for (const auto& column : table.source.columns)
    shape.definitions[column.attribute_number] = column.definition;
  shape.forms.push_back(form_of(table.source));
  return shape;
}

ShapeChange compare(const TableShape& before, const CapturedTable& now) {
  ShapeChange change;
  auto say = [&](std::string what) { change.words += (change.words.empty() ? "" : ", ") + what; };
  auto copy = [&](std::string why) {
    if (change.copy_because.empty()) change.copy_because = std::move(why);
  };
  bool written_anew = before.storage != now.source.storage;
  if (before.key != key_numbers(now.source)) copy("its primary key changed");
  if (before.selection != now.source.selection.text()) copy("its `columns`, `exclude` or `where` are others");
  if (before.log != now.log) copy(now.log ? "it is a log now" : "it is no log any more");
  if (now.source.kind == 'p')
    if (auto why = partition_change(before.storage, now.source.storage); !why.empty()) copy(std::move(why));
  std::map<int, const FormColumn*> old;
  for (const auto& column : before.form()) old[column.number] = &column;
  for (size_t index = 0; index < now.source.columns.size(); ++index) {
    const auto& column = now.source.columns[index];
    auto known = old.find(column.attribute_number);
    if (known == old.end()) {
      say(fmt::format("column {} was added", column.name));
      change.added.push_back(index);
      if (now.source.selection.leaves_out_columns())
        copy(fmt::format("its new column {} is not in the publication yet", column.name));
      if (column.value_before_in_partitions || (!column.value_before && written_anew))
        copy(fmt::format("what older rows read in its new column {} was written without the stream",
                         column.name));
      else if (column.value_before && column.target.kind == TypeKind::array)
        copy(fmt::format("its new column {} has a default that is an array", column.name));
      continue;
    }
    const FormColumn& was = *known->second;
    old.erase(known);
    if (was.name != column.name) {
      say(fmt::format("column {} is now called {}", was.name, column.name));
      change.renamed.push_back({was.name, column.name});
      if (column.key_position >= 0) copy(fmt::format("its key column {} was renamed", was.name));
    }
    bool retyped = was.type_oid != column.type_oid || was.type_modifier != column.type_modifier;
    if (retyped) say(fmt::format("column {} is now {}", column.name, column.type_name));
    auto defined = before.definitions.find(column.attribute_number);
    bool touched = defined == before.definitions.end() || defined->second != column.definition;
    // NOT NULL, a default, statistics: the warehouse is looked at again.
    if (touched && !retyped && was.name == column.name)
      say(fmt::format("column {} was altered", column.name));
    if (written_anew && (retyped || touched))
      copy(fmt::format("its column {} was written anew, which is not in the stream", column.name));
  }
  // From here on: what could make two forms look alike whose columns have other numbers.
  if (now.source.last_number - before.last_number > static_cast<int>(change.added.size()))
    copy("a column came and went unseen");
  for (size_t index : change.added)
    for (const auto& [number, gone] : old)
      if (gone->type_oid == now.source.columns[index].type_oid &&
          gone->type_modifier == now.source.columns[index].type_modifier)
        copy(fmt::format("its column {} was dropped and {}, of the same type, added", gone->name,
                         now.source.columns[index].name));
  for (const auto& form : before.forms)
    if (TableForm newest = form_of(now.source); same_but_for_numbers(form, newest) && form != newest)
      copy("it had other columns of the same names and types");
  for (const auto& [from, to] : change.renamed)
    if (now.source.find(from) != nullptr)
      copy(fmt::format("its columns {} and {} exchanged names", from, to));
  for (const auto& [number, column] : old) {
    say(fmt::format("column {} was dropped", column->name));
    change.dropped.push_back(column->name);
  }
  return change;
}

TableShape follow(TableShape before, const CapturedTable& now) {
  TableShape shape = shape_of(now);
  shape.values_before = std::move(before.values_before);
  std::set<int> known;
  for (const auto& form : before.forms)
    for (const auto& column : form) known.insert(column.number);
  for (const auto& column : now.source.columns)
    if (!known.contains(column.attribute_number) && column.value_before)
      shape.values_before[column.attribute_number] = *column.value_before;
  if (before.forms.back() == shape.forms.back()) before.forms.pop_back();
  shape.forms.insert(shape.forms.begin(), std::make_move_iterator(before.forms.begin()),
                     std::make_move_iterator(before.forms.end()));
  if (shape.forms.size() > limits::table_forms_max)
    shape.forms.erase(shape.forms.begin(), shape.forms.end() - limits::table_forms_max);
  return shape;
}

std::optional<TableForm> form_between(const TableForm& was, const TableForm& now,
                                      const postgres::Relation& relation) {
  auto named = [](const TableForm& form, const std::string& name) {
    return std::find_if(form.begin(), form.end(), [&](const auto& one) { return one.name == name; });
  };
  auto has = [](const TableForm& form, int number) {
    return std::any_of(form.begin(), form.end(), [&](const auto& one) { return one.number == number; });
  };
  auto typed = [](const TableForm& form, const FormColumn& column) {
    return std::any_of(form.begin(), form.end(), [&](const auto& one) {
      return one.number == column.number && one.type_oid == column.type_oid &&
             one.type_modifier == column.type_modifier;
    });
  };
  TableForm between = form_of(relation);
  int last = 0;
  for (auto& column : between) {
    auto old = named(was, column.name);
    auto late = named(now, column.name);
    if (old == was.end() && late == now.end()) return std::nullopt;
    if (old != was.end() && late != now.end() && old->number != late->number) return std::nullopt;
    column.number = old != was.end() ? old->number : late->number;
    // In the order of their numbers, as the server sends them; of a type the column had.
    if (column.number <= last || (!typed(was, column) && !typed(now, column))) return std::nullopt;
    last = column.number;
  }
  for (const auto& column : was)
    if (has(now, column.number) && !has(between, column.number)) return std::nullopt;
  return between;
}

std::optional<Column> value_before(const TableShape& shape, const postgres::SourceColumn& column) {
  Column value(column.target);
  auto known = shape.values_before.find(column.attribute_number);
  if (known == shape.values_before.end()) {
    value.append_default();
    return value;
  }
  postgres::Decoder decoder = postgres::make_decoder(column);
  if (decoder.text(decoder, known->second.data(), known->second.size(), value) != nullptr)
    return std::nullopt;
  return value;
}

}  // namespace tidemark::ingest
