// Audits: queries that must return no rows. Those of a model's header
//   not_null(column, ...)                   no NULL in these columns
//   unique(column, ...)                     the columns together identify a row
//   accepted_values(column, value, ...)     nothing else; NULL is accepted (add not_null)
//   relationships(column, table, column)    every value exists there; NULL is accepted
//   row_count(min = n, max = m)             either may be left out
//   sql(name)                               audits/<name>.sql
// and the files audits/*.sql, which may also speak of mirrored tables (bronze.<table> stands for the current
// rows).
//
// An audit of single rows of a store that keeps versions has a second query, over what changed since a
// version only. It looks at the store's rows as they lie there, without FINAL, so it may see rows that were
// replaced already: finding nothing proves that nothing went wrong; finding something says that the whole
// query must be asked. Where a change of other tables can break rows that did not change themselves (the
// target of relationships), that query does not count: `changed_tables` names those for which it does.
//
// Stateless. Uses only the given client.
#pragma once

#include "base/version.h"
#include "clickhouse/client.h"
#include "config/diagnostic.h"
#include "models/compiled_model.h"
#include "models/fence_watch.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

struct Audit {
  std::string model;  // "analytics.x" or "bronze.t"
  std::string audit;  // as written: "not_null(campaign_id)"
  config::AuditSeverity severity = config::AuditSeverity::error;
  std::string description;
  std::string query;             // one row a violation
  std::string identity;          // the columns of `query` that tell one violation from another
  std::set<std::string> tables;  // "bronze.t" in depth: a cut that touches one of them makes the audit due
  std::string changed_query;  // rows newer than {since:UInt128} that may be violations; empty: no such query
  std::set<std::string> changed_tables;
};

struct AuditResult {
  std::string model;
  std::string audit;
  config::AuditSeverity severity = config::AuditSeverity::error;
  uint64_t failing = 0;  // rows the query returned
  std::vector<std::string> examples;
  std::string error;                 // the query itself failed: nothing is known
  std::vector<uint64_t> violations;  // hashes of at most limits::audit_violations_max of them

  bool passed() const { return failing == 0 && error.empty(); }
  // Warnings are told and fail nothing.
  bool fails() const { return !passed() && severity != config::AuditSeverity::warning; }
};

// `sql` over what `bronze.<table>` stands for in models: the rows there are now.
Result<std::string> over_current(const std::string& sql);

// The query of one audit of a header. `relation` stands for the model's rows; empty: its public view. Errors:
// config, with what is wrong with the line.
Result<std::string> audit_query(const CompiledModel& model, const std::string& audit,
                                const std::string& relation = {});

// Every audit of the project. Models that are not deployed yet have no query over changes.
Result<std::vector<Audit>> define_audits(clickhouse::Client& client, const CompiledModels& models,
                                         const std::vector<config::AuditFile>& files = {});

// A query that the server refuses is a result with `error`. Errors: the warehouse is away.
Result<AuditResult> run_audit(clickhouse::Client& client, const Audit& audit);
// Beside cuts: what fails is asked again, until no cut was under way or some of the same violations are still
// there after those that were are in (or limits::audit_confirmations_max such rounds).
Result<AuditResult> run_audit_beside_cuts(clickhouse::Client& client, FenceWatch& watch, const Audit& audit);
// Whether some violations are in both results.
bool any_in_both(const AuditResult& one, const AuditResult& other);
// Whether rows newer than `since` may be violations.
Result<bool> suspects_since(clickhouse::Client& client, const Audit& audit, Version since);

// Beside cuts, too.
Result<std::vector<AuditResult>> run_audits(clickhouse::Client& client, const CompiledModels& models,
                                            const std::vector<config::AuditFile>& files = {});

// The gate before a new version of a model is published in the place of another: the blocking audits of its
// header, asked of `relation`, the rows that would become the model; empty: what its view would show. Errors:
// refused, with the audit that failed and an example.
Status refuse_when_blocked(clickhouse::Client& client, const CompiledModel& model, std::string relation = {});

}  // namespace tidemark::models
