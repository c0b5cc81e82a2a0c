#include "models/query_tree.h"

#include "models/refresh_model.h"

#include <charconv>

namespace tidemark::models {
namespace {

// "COLUMN id: 4, ..." -> kind, number, rest. A section has no " id: ".
std::unique_ptr<TreeNode> read_node(std::string_view line) {
  size_t at = line.find(" id: ");
  if (at == std::string_view::npos || at == 0) return nullptr;
  std::string_view kind = line.substr(0, at);
  if (!std::all_of(kind.begin(), kind.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; }))
    return nullptr;
  auto node = std::make_unique<TreeNode>();
  node->kind = kind;
  const char* begin = line.data() + at + 5;
  auto [end, failure] = std::from_chars(begin, line.data() + line.size(), node->id);
  if (failure != std::errc{}) return nullptr;
  node->attributes = std::string(end, line.data() + line.size());
  return node;
}

// Keys after which a value of another key may end.
constexpr std::string_view keys[] = {
    "column_name", "result_type", "source_id",   "function_name", "function_type", "constant_value_type",
    "table_name",  "alias",       "is_subquery", "strictness",    "kind",          "table_function_name"};

int number_of(const std::string& text) {
  int number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

std::string TreeNode::attribute(std::string_view key) const {
  std::string mark = ", " + std::string(key) + ": ";
  bool closing = key == "source_id" || key == "result_type" || key == "constant_value_type";
  size_t begin = closing ? attributes.rfind(mark) : attributes.find(mark);
  if (begin == std::string::npos) return {};
  begin += mark.size();
  // A name or a constant may hold what looks like a key, so what closes the line is looked for from its end.
  size_t end = attributes.size();
  if (key == "column_name")
    end = attributes.rfind(", result_type: ");
  else if (key == "constant_value")
    end = attributes.rfind(", constant_value_type: ");
  else if (key == "result_type" && attributes.rfind(", source_id: ") != std::string::npos)
    end = attributes.rfind(", source_id: ");
  else
    for (std::string_view other : keys)
      if (size_t at = attributes.find(", " + std::string(other) + ": ", begin); at != std::string::npos)
        end = std::min(end, at);
  return end == std::string::npos || end < begin ? attributes.substr(begin)
                                                 : attributes.substr(begin, end - begin);
}

const TreeSection* TreeNode::section(std::string_view name) const {
  for (const auto& one : sections)
    if (one.name == name) return &one;
  return nullptr;
}

std::vector<const TreeNode*> TreeNode::list(std::string_view section_name) const {
  std::vector<const TreeNode*> nodes;
  const TreeSection* found = section(section_name);
  if (found == nullptr) return nodes;
  for (const auto& one : found->nodes) {
    if (one->kind != "LIST") {
      nodes.push_back(one.get());
      continue;
    }
    // The items of a list stand directly below it.
    for (const auto& inner : one->sections)
      for (const auto& item : inner.nodes) nodes.push_back(item.get());
  }
  return nodes;
}

Result<QueryTree> QueryTree::read(clickhouse::Client& client, const std::string& select, int64_t instant) {
  // One pass: names are resolved and nothing is rewritten yet.
  Block block = TRY(client.query("EXPLAIN QUERY TREE passes = 1 " + select,
                                 {.parameters = {{std::string(refresh_instant), std::to_string(instant)}}}));
  std::string text;
  for (size_t row = 0; row < block.rows(); ++row) {
    text += block.columns[0].text(row);
    text += '\n';
  }
  return parse(text);
}

Result<QueryTree> QueryTree::parse(std::string_view text) {
  QueryTree tree;
  struct Open {
    size_t indent;
    TreeNode* node;
    bool in_section;  // lines below go to the node's last section
  };
  std::vector<Open> open;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    size_t indent = line.find_first_not_of(' ');
    if (indent == std::string_view::npos) continue;
    std::string_view content = line.substr(indent);
    while (!open.empty() && open.back().indent >= indent) open.pop_back();
    if (!tree.root_) {
      tree.root_ = read_node(content);
      if (!tree.root_) break;
      open.push_back({indent, tree.root_.get(), false});
      continue;
    }
    if (open.empty()) break;  // what follows the tree
    Open& above = open.back();
    bool raw = above.in_section && above.node->sections.back().name == "PROJECTION COLUMNS";
    auto node = raw ? nullptr : read_node(content);
    if (node) {
      if (!above.in_section) above.node->sections.emplace_back();  // the items of a list
      auto& section = above.node->sections.back();
      section.nodes.push_back(std::move(node));
      open.push_back({indent, section.nodes.back().get(), false});
    } else if (above.in_section) {
      above.node->sections.back().lines.emplace_back(content);
    } else {
      while (content.ends_with(' ')) content.remove_suffix(1);
      above.node->sections.push_back({.name = std::string(content)});
      open.push_back({indent, above.node, true});
    }
  }
  if (!tree.root_) return fail(ErrorKind::unsupported, "the server's EXPLAIN QUERY TREE is not understood");
  tree.number(*tree.root_);
  return tree;
}

void QueryTree::number(const TreeNode& node) {
  // A node that is used twice is printed twice; the printing with the most below it counts.
  auto [known, first] = nodes_.emplace(node.id, &node);
  if (!first && known->second->sections.size() < node.sections.size()) known->second = &node;
  for (const auto& section : node.sections)
    for (const auto& child : section.nodes) number(*child);
}

const TreeNode* QueryTree::node(int id) const {
  auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second;
}

const TreeNode* QueryTree::source(const TreeNode& column) const {
  std::string id = column.attribute("source_id");
  return id.empty() ? nullptr : node(number_of(id));
}

std::vector<const TreeNode*> QueryTree::projections(const TreeNode& query, const TreeNode& column) const {
  const TreeNode* named = &query;
  std::vector<const TreeNode*> selects{&query};
  if (query.kind == "UNION") {
    selects = query.list("QUERIES");
    // Unions in unions: the names are those of the first SELECT.
    for (named = selects.empty() ? nullptr : selects.front(); named != nullptr && named->kind == "UNION";) {
      auto inner = named->list("QUERIES");
      named = inner.empty() ? nullptr : inner.front();
    }
  }
  const TreeSection* names = named == nullptr ? nullptr : named->section("PROJECTION COLUMNS");
  if (names == nullptr) return {};
  std::string name = column.attribute("column_name"), exact = name + " " + column.attribute("result_type");
  size_t index = names->lines.size();
  for (size_t at = 0; at < names->lines.size(); ++at) {
    if (names->lines[at] == exact) {
      index = at;
      break;
    }
    if (index == names->lines.size() && names->lines[at].starts_with(name + " ")) index = at;
  }
  std::vector<const TreeNode*> found;
  std::function<void(const TreeNode&)> take = [&](const TreeNode& select) {
    if (select.kind == "UNION") {
      for (const TreeNode* inner : select.list("QUERIES")) take(*inner);
      return;
    }
    auto items = select.list("PROJECTION");
    if (index < items.size()) found.push_back(items[index]);
  };
  for (const TreeNode* select : selects) take(*select);
  return found;
}

}  // namespace tidemark::models
