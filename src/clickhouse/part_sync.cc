#include "clickhouse/part_sync.h"

#include "clickhouse/part_sync_limits.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/utsname.h>
#include <thread>
#include <unistd.h>

namespace tidemark::clickhouse {
namespace {

constexpr const char* written_part = "/tmp_insert_";

// The directory of the part that a path is in or is, as far as it is being written:
// ".../tmp_insert_all_1_1_0".
std::string part_directory(const std::string& path) {
  size_t at = path.find(written_part);
  if (at == std::string::npos) return {};
  size_t end = path.find('/', at + std::strlen(written_part));
  return path.substr(0, end);
}

// "nr_dirty 12" and "nr_writeback 3", in pages.
uint64_t dirty_bytes_of_system() {
  std::FILE* file = std::fopen("/proc/vmstat", "re");
  if (file == nullptr) return UINT64_MAX;
  char name[64];
  unsigned long long pages = 0;
  unsigned long long dirty = 0;
  int found = 0;
  while (found < 2 && std::fscanf(file, "%63s %llu", name, &pages) == 2) {
    if (std::strcmp(name, "nr_dirty") != 0 && std::strcmp(name, "nr_writeback") != 0) continue;
    dirty += pages;
    ++found;
  }
  std::fclose(file);
  return found == 2 ? dirty * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : UINT64_MAX;
}

std::string path_of(int descriptor) {
  char link[32];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  char path[4096];
  ssize_t length = readlink(link, path, sizeof path);
  return length <= 0 || length == sizeof path ? std::string()
                                              : std::string(path, static_cast<size_t>(length));
}

}  // namespace

Disk system_disk(int (*plain)(int)) {
  return {.fdatasync = plain,
          .syncfs = ::syncfs,
          .path = path_of,
          .dirty_bytes = dirty_bytes_of_system,
          .in_background = [](std::function<void()> work) { std::thread(std::move(work)).detach(); }};
}

bool syncfs_tells_errors() {
  utsname system{};
  int major = 0;
  int minor = 0;
  if (uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 8);
}

PartSync::~PartSync() {
  for (auto& [directory, part] : parts_) close(part.held);
}

int PartSync::sync(int descriptor) {
  struct stat found {};
  if (fstat(descriptor, &found) != 0) return disk_.fdatasync(descriptor);
  std::string path = disk_.path(descriptor);
  std::string part = part_directory(path);
  Identity identity{found.st_dev, found.st_ino};
  if (part.empty()) {
    if (S_ISDIR(found.st_mode)) forget(identity);
    return disk_.fdatasync(descriptor);
  }
  if (part == path) return begin(identity, descriptor, path);
  struct stat directory {};
  bool done = stat(part.c_str(), &directory) == 0 &&
              on_disk({directory.st_dev, directory.st_ino}, identity, found.st_size);
  return done ? 0 : disk_.fdatasync(descriptor);
}

int PartSync::begin(const Identity& directory, int descriptor, const std::string& path) {
  if (disk_.dirty_bytes() > limits::sync_together_dirty_bytes) {
    write_back(descriptor);
    return disk_.fdatasync(descriptor);
  }
  Part part;
  std::error_code failed;
  for (std::filesystem::recursive_directory_iterator entry(path, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    struct stat found {};
    if (lstat(entry->path().c_str(), &found) == 0)
      part.sizes.emplace(Identity{found.st_dev, found.st_ino}, found.st_size);
  }
  if (failed || sync_all(descriptor) != 0) return disk_.fdatasync(descriptor);
  forget(directory);  // synced a second time under this name
  std::lock_guard lock(mutex_);
  if (!make_room()) return 0;
  part.held = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (part.held >= 0) parts_.emplace(directory, std::move(part));
  return 0;
}

// One thread for everybody.
void PartSync::write_back(int descriptor) {
  if (writing_back_.exchange(true)) return;
  int held = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (held < 0) {
    writing_back_ = false;
    return;
  }
  disk_.in_background([this, held] {
    disk_.syncfs(held);
    close(held);
    writing_back_ = false;
  });
}

// INSERTs that failed take their directories away.
bool PartSync::make_room() {
  if (parts_.size() < limits::parts_synced_together_max) return true;
  for (auto entry = parts_.begin(); entry != parts_.end();) {
    struct stat found {};
    bool gone = fstat(entry->second.held, &found) != 0 || found.st_nlink == 0;
    if (gone) close(entry->second.held);
    entry = gone ? parts_.erase(entry) : std::next(entry);
  }
  return parts_.size() < limits::parts_synced_together_max;
}

bool PartSync::on_disk(const Identity& directory, const Identity& file, off_t size) {
  std::lock_guard lock(mutex_);
  auto part = parts_.find(directory);
  if (part == parts_.end()) return false;
  auto known = part->second.sizes.find(file);
  return known != part->second.sizes.end() && known->second == size;
}

void PartSync::forget(const Identity& directory) {
  std::lock_guard lock(mutex_);
  auto entry = parts_.find(directory);
  if (entry == parts_.end()) return;
  close(entry->second.held);
  parts_.erase(entry);
}

int PartSync::sync_all(int descriptor) {
  std::unique_lock lock(turn_);
  // One that runs already may have passed by what this one has written.
  uint64_t mine = begun_turns_ + 1;
  while (ended_turns_ < mine) {
    if (running_) {
      turned_.wait(lock);
      continue;
    }
    running_ = true;
    ++begun_turns_;
    lock.unlock();
    int error = disk_.syncfs(descriptor) == 0 ? 0 : errno;
    lock.lock();
    running_ = false;
    ++ended_turns_;
    if (error != 0) {
      error_ = error;
      failed_turn_ = ended_turns_;
    }
    turned_.notify_all();
  }
  if (failed_turn_ < mine) return 0;
  errno = error_;
  return -1;
}

}  // namespace tidemark::clickhouse
