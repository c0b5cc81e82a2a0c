// How the parts of durable INSERTs get to the disk: all files of a part in one step, its name in another.
//
// A table with fsync_after_insert and fsync_part_directory syncs some eleven files and directories for each
// part, several of them one after the other, and each of them is a flush of the disk: most of the time of a
// small INSERT (docs/DECISIONS.md). The library calls fdatasync for each, in this order: the part's directory
// while it is still called tmp_insert_..., when all of its files are written; the files; and, renamed, the
// directory again. PartSync stands behind that function (embedded_main.cc): at the first one it notes how
// long each file is and calls syncfs(2), which returns when everything written to the file system so far is
// on the disk; files that are still as long are on the disk then - those of parts only grow - and need
// nothing more. INSERTs that wait at the same time share one. The last sync is made as asked: it makes the
// part's name durable, and the library lets nobody read the table meanwhile, so it must be short.
//
// Invariants: a file's sync is left out only after a syncfs that began when the file was as long as it is
// now. Anything else - merges, definitions of tables, tables without fsync_part_directory - is synced as it
// was asked for.
//
// syncfs writes what everybody else has written, too: with more than limits::sync_together_dirty_bytes
// waiting in memory, files are synced one by one as before, and what waits is written by a thread in the
// background. Failure: what the disk says goes to whoever asked, as fdatasync's own errors would. Threads:
// any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <sys/stat.h>

namespace tidemark::clickhouse {

// What the operating system does; tests put their own in.
struct Disk {
  // All as the system calls of these names; errno tells why.
  std::function<int(int descriptor)> fdatasync;
  std::function<int(int descriptor)> syncfs;
  // The path a descriptor was opened by, as the kernel knows it now; empty: unknown.
  std::function<std::string(int descriptor)> path;
  // Bytes of all file systems that wait to be written.
  std::function<uint64_t()> dirty_bytes;
  std::function<void(std::function<void()>)> in_background;
};
// `plain`: the C library's fdatasync, which the process has put PartSync before.
Disk system_disk(int (*plain)(int));
// Whether syncfs says what could not be written: since Linux 5.8.
bool syncfs_tells_errors();

class PartSync {
 public:
  explicit PartSync(Disk disk) : disk_(std::move(disk)) {}
  ~PartSync();
  PartSync(const PartSync&) = delete;
  PartSync& operator=(const PartSync&) = delete;

  // As fdatasync(2).
  int sync(int descriptor);

 private:
  // A file or directory, whatever it is called.
  using Identity = std::pair<dev_t, ino_t>;
  // A part whose files are on the disk as far as they were this long.
  struct Part {
    int held = -1;  // its directory, kept open: so the inode is nobody else's
    std::map<Identity, off_t> sizes;
  };
  int begin(const Identity& directory, int descriptor, const std::string& path);
  bool on_disk(const Identity& directory, const Identity& file, off_t size);
  void forget(const Identity& directory);
  bool make_room();
  int sync_all(int descriptor);
  void write_back(int descriptor);

  Disk disk_;
  std::mutex mutex_;
  std::map<Identity, Part> parts_;  // by their directories, between the first and the last sync

  // syncfs, shared: whoever comes while one runs waits for the next.
  std::mutex turn_;
  std::condition_variable turned_;
  uint64_t begun_turns_ = 0;
  uint64_t ended_turns_ = 0;
  bool running_ = false;
  uint64_t failed_turn_ = 0;  // the newest that failed
  int error_ = 0;             // and why
  std::atomic<bool> writing_back_{false};
};

}  // namespace tidemark::clickhouse
