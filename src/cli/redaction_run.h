// One redaction (profiles/redaction_files.h) carried out: as a deletion of people is (erasure_run.h), with
// the same record of its stages, but rows stay and say less.
//
//   asked      the rows there are for it, in both images, are put aside, and the texts that must go
//   aside      rows that people INSERT get their new images by an INSERT, and that flows; behind a fence it
//   is removed    for tables of webhooks everything happens between two cuts of all sources: correcting,
//   corrected   the new images take their places and what was made of the old ones is made right done old
//   images, versions nobody sees and what else has the texts are off the disk, and counted
//
// The record's `asked` is the table, `ids` are the texts and `people` the keys, until it is done.
#pragma once

#include "cli/erasure_run.h"
#include "profiles/redaction_files.h"

namespace tidemark::cli {

class RedactionRun {
 public:
  // All must outlive it. `redaction`: null when its file is gone by now; what is aside is finished all the
  // same.
  RedactionRun(clickhouse::ClientPool& pool, const config::Project& project,
               const profiles::Redaction* redaction, const ErasureHooks& hooks, const std::atomic<bool>& stop)
      : pool_(pool), project_(project), redaction_(redaction), hooks_(hooks), stop_(stop), store_(pool) {}

  // The answer to its `when`, and whether there is something for it. Errors: config or refused when the file
  // is wrong.
  Result<std::string> when();
  Result<bool> due();
  // Goes on from the record's stage to the end. False: the SELECT gives rows again that were rewritten.
  Result<bool> run(profiles::Deletion& record);
  // As ErasureRun::correct.
  Status correct(profiles::Deletion& record);

 private:
  Result<profiles::ErasableTable> table(const std::string& name);
  Status reached(profiles::Deletion& record, profiles::DeletionStage stage);
  Status put_aside(profiles::Deletion& record);
  Status insert(profiles::Deletion& record);
  Status correct_at_barrier(profiles::Deletion& record);
  Result<bool> finish(profiles::Deletion& record);
  Status remove_traces(profiles::Deletion& record, const profiles::ErasableTable& of);

  clickhouse::ClientPool& pool_;
  const config::Project& project_;
  const profiles::Redaction* redaction_;
  const ErasureHooks& hooks_;
  const std::atomic<bool>& stop_;
  profiles::DeletionStore store_;
};

}  // namespace tidemark::cli
