#include "models/column_lineage.h"

#include "models/model_source.h"
#include "models/query_tree.h"
#include "models/references.h"

#include <map>
#include <set>

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

// In the structure of the stand-in of a model: a column nobody reads whose name says which model it is.
constexpr std::string_view marker = "tidemark model ";

class Leaves {
 public:
  explicit Leaves(const QueryTree& tree) : tree_(tree) {}

  std::vector<SourceColumn> of(const TreeNode& expression) {
    found_.clear();
    seen_.clear();
    visit(expression);
    return {found_.begin(), found_.end()};
  }

 private:
  void visit(const TreeNode& given) {
    // Printed again without what is below it.
    const TreeNode* known = tree_.node(given.id);
    const TreeNode& node = known != nullptr && given.sections.empty() ? *known : given;
    if (node.kind == "COLUMN") {
      column(node);
      return;
    }
    if (node.kind == "QUERY" || node.kind == "UNION") {
      // A scalar subquery or a set: what it gives.
      for (const char* part : {"PROJECTION", "QUERIES"})
        for (const TreeNode* item : node.list(part)) visit(*item);
      return;
    }
    for (const auto& section : node.sections)
      for (const auto& child : section.nodes) visit(*child);
  }

  void column(const TreeNode& node) {
    if (!seen_.insert(node.id).second) return;
    std::string name = node.attribute("column_name");
    const TreeNode* source = tree_.source(node);
    auto own = node.list("EXPRESSION");
    if (source == nullptr || source->kind == "LAMBDA" || source->kind == "INTERPOLATE") return;
    if (source->kind == "TABLE") {
      // An ALIAS column of a table is what it stands for.
      if (own.empty()) found_.insert({table_of(source->attribute("table_name")), name});
      for (const TreeNode* part : own) visit(*part);
    } else if (source->kind == "QUERY" || source->kind == "UNION") {
      for (const TreeNode* expression : tree_.projections(*source, node)) visit(*expression);
    } else if (source->kind == "TABLE_FUNCTION") {
      if (std::string model = stand_in_of(*source); !model.empty()) found_.insert({model, name});
    } else if (!own.empty()) {
      for (const TreeNode* part : own) visit(*part);
    } else if (source->kind == "ARRAY_JOIN") {
      for (const TreeNode* joined : source->list("JOIN EXPRESSIONS"))
        if (joined->attribute("column_name") == name)
          for (const TreeNode* part : joined->list("EXPRESSION")) visit(*part);
    }
  }

  static std::string table_of(const std::string& quoted) {
    std::string name;
    for (char c : quoted)
      if (c != '`') name += c;
    for (std::string_view suffix : {"__current", "__changes"})
      if (name.starts_with("bronze.") && name.ends_with(suffix))
        return name.substr(0, name.size() - suffix.size());
    return name;
  }

  static std::string stand_in_of(const TreeNode& function) {
    for (const TreeNode* argument : function.list("ARGUMENTS")) {
      std::string structure = argument->attribute("constant_value");
      size_t at = structure.find(marker);
      if (at == std::string::npos) continue;
      at += marker.size();
      return structure.substr(at, structure.find('`', at) - at);
    }
    return {};
  }

  const QueryTree& tree_;
  std::set<SourceColumn> found_;
  std::set<int> seen_;
};

// The model's own text over the current rows and over stand-ins of models, which need not exist.
Result<std::string> direct_select(const CompiledModels& models, const CompiledModel& model) {
  return replace_references(
      model.file.sql, [&](const TableReference& reference) -> std::optional<std::string> {
        if (reference.database == "bronze" && model.tables_in_depth.contains(reference.name()))
          return clickhouse::quote_table("bronze", reference.table + "__current");
        const CompiledModel* upstream = models.find(reference.name());
        if (upstream == nullptr) return std::nullopt;
        std::vector<std::string> names, structure;
        for (const auto& column : upstream->columns) {
          names.push_back(quote_identifier(column.name));
          structure.push_back(names.back() + " " + column.type);
        }
        structure.push_back(quote_identifier(std::string(marker) + upstream->name) + " UInt8");
        return "(SELECT " + joined(names) + " FROM null(" + quote_string(joined(structure)) + "))";
      });
}

Result<std::vector<std::vector<SourceColumn>>> lineage_of(clickhouse::Client& client,
                                                          const CompiledModel& model,
                                                          const std::string& select) {
  std::vector<std::string> names;
  for (const auto& column : model.columns) names.push_back(quote_identifier(column.name));
  QueryTree tree = TRY_IN(QueryTree::read(client, "SELECT " + joined(names) + " FROM (" + select + "\n)"),
                          "lineage of " + model.name);
  Leaves leaves(tree);
  std::vector<std::vector<SourceColumn>> all;
  for (const TreeNode* item : tree.root().list("PROJECTION")) all.push_back(leaves.of(*item));
  all.resize(names.size());
  return all;
}

// A recompute reads refresh models as they are; their columns are what those are made of.
Status through_refresh_models(clickhouse::Client& client, const CompiledModels& models,
                              std::vector<std::vector<SourceColumn>>& columns) {
  std::map<std::string, std::vector<ColumnLineage>> known;
  for (auto& sources : columns) {
    std::set<SourceColumn> all;
    for (auto& source : sources) {
      const CompiledModel* upstream = models.find(source.table);
      if (upstream == nullptr) {
        all.insert(source);
        continue;
      }
      if (!known.contains(source.table)) known[source.table] = TRY(column_lineage(client, models, *upstream));
      for (const auto& column : known[source.table])
        if (column.column == source.column) all.insert(column.bronze.begin(), column.bronze.end());
    }
    sources.assign(all.begin(), all.end());
  }
  return {};
}

}  // namespace

Result<std::vector<ColumnLineage>> column_lineage(clickhouse::Client& client, const CompiledModels& models,
                                                  const CompiledModel& model) {
  auto direct = TRY(lineage_of(client, model, TRY(direct_select(models, model))));
  auto bronze = TRY(lineage_of(client, model, model.recompute));
  TRY_VOID(through_refresh_models(client, models, bronze));
  std::vector<ColumnLineage> lineage;
  for (size_t index = 0; index < model.columns.size(); ++index)
    lineage.push_back({.column = model.columns[index].name,
                       .type = model.columns[index].type,
                       .direct = std::move(direct[index]),
                       .bronze = std::move(bronze[index])});
  return lineage;
}

}  // namespace tidemark::models
