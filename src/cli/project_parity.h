// The proof of a whole project: every captured table against its source, every model against its full
// recompute, every audit. What `tidemark verify` and `tidemark demo --check` print.
#pragma once

#include "cli/profile_parity.h"
#include "cli/progress.h"
#include "cli/segment_parity.h"
#include "clickhouse/client_pool.h"
#include "ingest/parity.h"
#include "models/audits.h"
#include "models/lookups.h"
#include "models/verification.h"

namespace tidemark::cli {

// The place in a source's log that its tables were compared at.
struct ComparedAt {
  postgres::Lsn lsn = 0;
  std::map<std::string, int64_t> offsets;  // Kafka: of the next message, by "topic/partition"
};

struct ProjectParity {
  std::map<std::string, ComparedAt> as_of;  // by source
  std::vector<ingest::TableParity> tables;
  std::vector<models::ModelParity> models;
  std::vector<models::DictionaryParity> dictionaries;
  std::vector<models::AuditResult> audits;
  std::vector<segments::MembershipProof> segments;
  std::vector<profiles::ProfileProof> profiles;
  double seconds = 0;

  bool ok() const;
  std::string to_json() const;  // the shape of docs/CLI.md, "verify --json"
  std::string to_text() const;
};

struct ProjectParityOptions {
  std::vector<std::string> only;  // tables and models; empty: all
  std::chrono::milliseconds fence_timeout{60'000};
  bool running = true;  // a process moves the sources; tables over Kafka can do without
  Progress::Mode progress = Progress::Mode::silent;
  // Runs a refresh model and waits for it. A result is compared when it is as of now.
  std::function<Status(const std::string& model)> refresh;
};

// A model is compared with what its tables hold in one query, which is not one moment: when it differs and a
// fence was written meanwhile it is compared again, limits::model_parity_attempts times. A refresh model that
// differs is refreshed before it is compared again, so that what is left is a wrong result and not an old
// one; when changes go on without a pause its numbers are `moving`. Errors: as ingest::verify_tables; config
// when `only` names nothing.
Result<ProjectParity> verify_project(const config::Project& project, clickhouse::ClientPool& pool,
                                     const ProjectParityOptions& options);

}  // namespace tidemark::cli
