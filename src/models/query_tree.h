// A SELECT as ClickHouse resolved it: what EXPLAIN QUERY TREE of the running server prints, read back.
// Aliases are expressions, `*` is columns, every column knows the table, subquery or union it comes from by
// number. That is what lineage is read from; our own tokens never have to resolve a name.
//
// The text is indented by depth: nodes ("COLUMN id: 4, column_name: k, result_type: UInt8, source_id: 5"),
// below them sections ("ARGUMENTS", "WHERE"), below those nodes again. What is not known stays in the tree
// and means nothing.
#pragma once

#include "clickhouse/client.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::models {

struct TreeNode;

struct TreeSection {
  std::string name;  // "ARGUMENTS"
  std::vector<std::unique_ptr<TreeNode>> nodes;
  std::vector<std::string> lines;  // PROJECTION COLUMNS: "k UInt8"
};

struct TreeNode {
  std::string kind;  // "COLUMN", "FUNCTION", "CONSTANT", "TABLE", "QUERY", "UNION", "JOIN", "LIST", ...
  int id = -1;
  std::string attributes;  // ", column_name: k, result_type: UInt8, source_id: 5"
  std::vector<TreeSection> sections;

  // The value of `key`, up to the first of the keys that follow it in the server's order.
  std::string attribute(std::string_view key) const;
  const TreeSection* section(std::string_view name) const;
  // The nodes of a section; of its list, when it holds one.
  std::vector<const TreeNode*> list(std::string_view section_name) const;
};

class QueryTree {
 public:
  // Errors: refused, when the SELECT does not compile.
  // `instant`: what the clock of a refresh model says (refresh_model.h).
  static Result<QueryTree> read(clickhouse::Client& client, const std::string& select, int64_t instant = 0);
  static Result<QueryTree> parse(std::string_view text);

  const TreeNode& root() const { return *root_; }
  // nullptr when there is none.
  const TreeNode* node(int id) const;
  // The source of a COLUMN.
  const TreeNode* source(const TreeNode& column) const;
  // Which expression a QUERY or UNION gives for the column that `column` names; one for each SELECT of a
  // union.
  std::vector<const TreeNode*> projections(const TreeNode& query, const TreeNode& column) const;

 private:
  void number(const TreeNode& node);
  std::unique_ptr<TreeNode> root_;
  std::map<int, const TreeNode*> nodes_;
};

}  // namespace tidemark::models
