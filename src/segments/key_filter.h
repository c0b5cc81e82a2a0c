// Which entities a query is about: all, a range of keys, or those whose keys are bound as
// {keys0:Array(String)}, {keys1:...} when it runs. Conditions are pushed to every table that is read, so that
// a few keys cost point reads.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tidemark::segments {

class KeyFilter {
 public:
  static KeyFilter all() { return KeyFilter(); }
  // The bound keys; `types` of the entity's key columns.
  static KeyFilter bound(std::vector<std::string> types);
  // A range of the key, which is one column of `type`: above {after} (unless {from_first:UInt8}) and up to
  // {upto} (unless {to_last:UInt8}). Columns are of the same type.
  static KeyFilter range(std::string type);
  // Those for which `columns` of rows of `read` are what `inner` lets through: `columns` IN (SELECT wanted
  // FROM read WHERE inner(by)).
  static KeyFilter through(const KeyFilter& inner, std::string read, std::vector<std::string> wanted,
                           std::vector<std::string> by, std::vector<std::string> by_types);

  // Has range() for keys of this type: their order is the same wherever they are compared.
  static bool has_range(const std::string& type);
  // range() of `key`, the text of a key; what is none of this type is in the first range.
  static std::string text_in_range(const std::string& key, const std::string& type);

  bool everything() const { return !condition_; }
  // For SQL expressions of columns that stand for the key, with their types. Empty when everything passes.
  std::string condition(const std::vector<std::string>& columns, const std::vector<std::string>& types) const;

 private:
  std::function<std::string(const std::vector<std::string>&, const std::vector<std::string>&)> condition_;
};

// The type inside Nullable and LowCardinality.
std::string bare_type(const std::string& type);

}  // namespace tidemark::segments
