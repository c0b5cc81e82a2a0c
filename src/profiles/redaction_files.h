// The folder redactions/ of a project: which rows of a table must not keep what they say of somebody, and
// what they are to say instead.
//
//   -- table: bronze.shopify_webhooks
//   -- description: what Shopify says of people who are to be forgotten
//   -- when: SELECT count(), max(redacted_at) FROM staging.shopify_redacted_customers
//   SELECT message_id, ... AS properties, ... AS texts FROM bronze.shopify_webhooks WHERE ...
//
// The SELECT gives rows that are still to be rewritten: the columns of the table's key, those that get
// another value, and, if it likes, `texts`, an Array(String) of what is to be found nowhere afterwards. A
// row that was rewritten must not be among them again. `bronze.<table>` stands for the rows there are now.
// The table is one of a source of webhooks, or one that people INSERT into, with a key.
//
// `when` is a cheap query. While its answer stays what it was at the last look, the SELECT is asked only
// every limits::redaction_look_anyway: it may read all of what it is about.
#pragma once

#include "config/diagnostic.h"
#include "config/project.h"

#include <filesystem>
#include <string>
#include <vector>

namespace tidemark::profiles {

struct Redaction {
  std::string name;   // of the file
  std::string table;  // "bronze.shopify_webhooks", "files.documents": as the file says
  std::string description;
  std::string sql;   // as models are written: over bronze.<table>
  std::string when;  // the same; empty: the SELECT is asked whenever what it reads was touched
  config::Location where;

  // How its deletions are called among those of people: "redactions/shopify".
  std::string slug() const { return "redactions/" + name; }
};

struct RedactionFiles {
  std::vector<Redaction> redactions;  // by file name
  std::vector<config::Diagnostic> errors;

  const Redaction* find(const std::string& slug) const;
};

// `webhook_tables`: of sources that are called, in bronze.
RedactionFiles load_redactions(const config::Project& project,
                               const std::vector<std::string>& webhook_tables);

}  // namespace tidemark::profiles
