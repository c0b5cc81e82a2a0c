// One audit of a model's header, understood: what both of its queries are made of (audits.h).
#pragma once

#include "models/compiled_model.h"

#include <string>
#include <vector>

namespace tidemark::models {

struct AuditCall {
  enum class Form { condition, unique, row_count, file };
  Form form = Form::condition;
  std::vector<std::string> columns;  // quoted
  std::string condition;  // condition: true for a row that violates; row_count: HAVING over `total`
  bool by_value = false;  // condition: violations are counted by value, not by row
  std::string target;     // relationships: the table looked into, "analytics.y"
  std::string file;       // sql(name)
};

// Errors: config, with what is wrong with the line.
Result<AuditCall> read_audit_call(const CompiledModel& model, const std::string& audit);

// The query over `relation`. Not for Form::file.
std::string query_of(const AuditCall& call, const std::string& relation);

}  // namespace tidemark::models
