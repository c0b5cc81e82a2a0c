// What batch sources keep in the warehouse beside tidemark.sources and tidemark.cuts (state_store.h).
//
//   tidemark.batch_progress  for each source how far it is (batch_progress.h) behind two cuts: the newest
//                            fenced one and the one in doubt; that of the fence counts
//   tidemark.batch_parts     the rows of the cut in doubt, where they must come again exactly as they were:
//                            a source that is read by SQL cannot be asked a second time for what it held
//   tidemark.batch_requests  somebody wants a run now
//
// Order for a cut: stage() its parts, save() the progress behind it, plan it, send it, fence it, fenced().
// After a kill a planned cut with staged parts is sent again from them; one without (rows of tables with a
// key that nothing adds up) is given up, and its rows are read again under a cut number of their own.
// Not thread-safe but for ask() and newest_request().
#pragma once

#include "ingest/batch_progress.h"
#include "ingest/state_store.h"

namespace tidemark::ingest {

class BatchStore {
 public:
  using FindTable = std::function<const CapturedTable*(std::string_view name)>;

  BatchStore(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy, const std::atomic<bool>& stop)
      : pool_(pool), policy_(std::move(policy)), stop_(stop) {}

  Status prepare();

  // Behind the fenced cut `cut`; nothing when there is none.
  Result<std::optional<SourceProgress>> load(const std::string& source, uint16_t epoch, uint64_t cut);
  Status save(const std::string& source, uint16_t epoch, uint64_t cut, const SourceProgress& progress);
  // The cut of the last save() has its fence.
  void fenced() { slot_ = 1 - slot_; }

  // All parts in one INSERT of one block: all or nothing.
  Status stage(const std::string& source, uint16_t epoch, uint64_t cut,
               const std::vector<std::unique_ptr<Part>>& parts);
  // Empty when none of this cut are there. `find` by name in bronze, null when it is no longer a table of the
  // source. Errors: unsupported when a table is gone or has another shape.
  Result<std::vector<std::unique_ptr<Part>>> staged(const std::string& source, uint16_t epoch, uint64_t cut,
                                                    const FindTable& find);
  Status forget_staged(const std::string& source);
  // The newest cut there is any trace of here.
  Result<uint64_t> newest_cut(const std::string& source, uint16_t epoch);

  // Returns the request's number: a run with SourceProgress::answered at or above it began after this call.
  Result<uint64_t> ask(const std::string& source);
  Result<uint64_t> newest_request(const std::string& source);

 private:
  Result<Block> read(const std::string& sql, std::map<std::string, std::string> parameters);

  clickhouse::ClientPool& pool_;
  clickhouse::RetryPolicy policy_;
  const std::atomic<bool>& stop_;
  uint64_t slot_ = 0;  // of the fenced progress
};

}  // namespace tidemark::ingest
