// One source from end to end, whatever its kind: set-up, the first copy where there is one, changes, and
// getting up again. Whoever runs a project knows sources by this and nothing else.
//
//   prepare()   asks the source everything that can go wrong and makes its bronze tables. Models are deployed
//               after this and before start().
//   start()     a thread that moves data; whatever breaks is taken down whole and started again from the last
//               fence, with growing pauses.
//   stop()      finishes the cut being applied, tells the source, ends.
//
// A position is a number that only grows within an epoch: an LSN of Postgres, the sum of a topic set's
// offsets, the number of a batch run. Thread-safe.
#pragma once

#include "base/error.h"
#include "ingest/pipeline_status.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::ingest {

class SourcePipeline {
 public:
  virtual ~SourcePipeline() = default;

  virtual Status prepare() = 0;
  // Remarks of prepare() that do not stop us.
  virtual std::vector<std::string> warnings() const = 0;
  virtual void start() = 0;
  virtual void stop() = 0;
  virtual SourceStatus status() const = 0;
  // Set when it gave up before it ever moved a row: the error to end the program with.
  virtual std::optional<Error> gave_up() const = 0;

  // The position behind everything the source has now; makes sure that a fence comes there soon, also when
  // nothing changes any more. It is there when status().ladder.fenced has reached it.
  virtual Result<uint64_t> ask_for_fence() = 0;
  // Everything this source has sent is fenced; what comes next is a new cut. Asked at the barrier.
  virtual bool at_fence() const = 0;
  // From the next cut on these tables ("impressions"; those of other sources are passed over) have change
  // rows. Before the barrier: makes the tables that models hang on.
  virtual Status prepare_change_rows(const std::set<std::string>& tables) = 0;
  // At the barrier: what was read and not applied was read without old images, so the stream begins anew
  // from the fence.
  virtual void begin_change_rows(const std::set<std::string>& tables) = 0;
};

}  // namespace tidemark::ingest
