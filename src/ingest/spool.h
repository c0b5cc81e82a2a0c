// A log on the local disk, for what cannot be asked for again: whoever sent it is told that it arrived when
// it is on disk, and it stays there until it is in the warehouse.
//
//   append()   gives a record and is told when it is durable. One thread writes: all records that came while
//              the last ones were being synced go with one write and one fdatasync (group commit), so the
//              more come, the cheaper each is.
//   SpoolReader  reads records in order, up to what is durable, from any position that is a record's.
//   release()  forgets what lies before a position; whole segments are deleted.
//
// Bounded: beyond `bytes_max` on disk, or limits::spool_pending_bytes_max on the way there, append() refuses
// with `limit`, which goes by itself when the warehouse takes what lies here.
//
// Failure. After a kill the last segment may end in a record that was not finished: nobody was told that it
// arrived, and open() cuts it off. Damage anywhere else is left where it is and shown by the reader. A full
// disk refuses what does not fit and goes on; when fdatasync fails nobody knows what is on disk, so nothing
// is taken any more until the next start. One process a spool (flock). Thread-safe.
#pragma once

#include "base/error.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tidemark::ingest {

struct SpoolStatus {
  uint64_t bytes = 0;  // on disk
  uint64_t bytes_max = 0;
  uint64_t first = 0, end = 0;      // positions: of the oldest byte, behind the newest durable record
  uint64_t records = 0, syncs = 0;  // since start
  std::string error;                // why nothing is taken any more
};

class Spool {
 public:
  struct Options {
    std::filesystem::path directory;  // made when it is not there
    uint64_t bytes_max = uint64_t{4} << 30;
  };
  // Called once, on the writer's thread; must not block.
  using Done = std::function<void(const Status&)>;

  // Errors: conflict (another process has it), refused (no permission), corrupt.
  static Result<std::unique_ptr<Spool>> open(Options options);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Errors at once: limit, cancelled (closed), dependency_down (the disk failed).
  Status append(std::string payload, Done done);
  // What was given is written; nothing more is taken.
  void close();

  // Of this directory, for as long as it lives: another one has another.
  const std::string& identity() const { return identity_; }
  uint64_t first() const;
  uint64_t end() const { return durable_; }
  // Until something is durable behind `position`, wake() or the timeout.
  void wait(uint64_t position, std::chrono::milliseconds timeout);
  void wake();
  void release(uint64_t position);
  // What comes next begins a file of its own, so that release() can delete everything before it.
  void seal();
  SpoolStatus status() const;

 private:
  friend class SpoolReader;
  struct Pending {
    std::string payload;
    Done done;
  };
  explicit Spool(Options options) : options_(std::move(options)) {}
  Status prepare();
  Status read_identity();
  Status find_segments();
  Status cut_torn_tail();
  Status begin_segment(uint64_t base);
  Status sync_directory() const;
  std::filesystem::path file_of(uint64_t base) const;
  uint64_t segment_bytes_max() const;
  void write();
  Status begin_next_segment();
  Status write_batch(const std::deque<Pending>& batch);
  // The segment that has `position`, and the position behind its last byte; nothing: none has.
  struct Segment {
    uint64_t base = 0, end = 0;
  };
  std::optional<Segment> segment_at(uint64_t position) const;
  // Where the first segment behind `position` begins; there is one.
  uint64_t segment_after(uint64_t position) const;

  const Options options_;
  std::string identity_;
  int lock_ = -1;
  int active_ = -1;  // the last segment, the writer's only
  std::atomic<uint64_t> durable_{0};

  mutable std::mutex mutex_;
  std::condition_variable changed_;        // for the writer
  std::condition_variable published_;      // for readers
  std::map<uint64_t, uint64_t> segments_;  // base -> bytes that are durable
  std::deque<Pending> pending_;
  size_t pending_bytes_ = 0;
  bool closed_ = false;
  bool seal_ = false;
  bool woken_ = false;
  std::string broken_;
  uint64_t records_ = 0, syncs_ = 0;
  std::thread writer_;
};

// One reader's place in a spool. Not thread-safe; the spool must outlive it.
class SpoolReader {
 public:
  struct Item {
    uint64_t begin = 0, end = 0;
    bool damaged = false;    // no record: bytes that are one no more
    std::string_view bytes;  // the payload, or (at most limits::spool_damage_bytes_max of) what is damaged
  };

  SpoolReader(Spool& spool, uint64_t position) : spool_(spool), position_(position) {}
  ~SpoolReader();
  SpoolReader(const SpoolReader&) = delete;
  SpoolReader& operator=(const SpoolReader&) = delete;

  uint64_t position() const { return position_; }
  // What comes next, valid until the next call; nothing: everything durable was read.
  Result<std::optional<Item>> next();

 private:
  Status open(const Spool::Segment& segment);
  // At least `bytes` from position_, when the segment has them.
  Result<std::string_view> view(const Spool::Segment& segment, size_t bytes);
  Result<uint64_t> end_of_damage(const Spool::Segment& segment);

  Spool& spool_;
  uint64_t position_;
  uint64_t sound_at_ = 0;  // damage goes up to here
  int file_ = -1;
  uint64_t base_ = UINT64_MAX;  // of the open file
  std::string buffer_;
  uint64_t buffer_begin_ = 0;
};

}  // namespace tidemark::ingest
