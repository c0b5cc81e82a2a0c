#include "ingest/spool.h"

#include "base/invariant.h"
#include "base/log.h"
#include "ingest/spool_format.h"
#include "ingest/spool_limits.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tidemark::ingest {
namespace {

constexpr std::string_view suffix = ".spool";

Error io_error(const std::string& what, const std::filesystem::path& path) {
  int number = errno;
  ErrorKind kind = number == EACCES || number == EPERM || number == EROFS ? ErrorKind::refused
                   : number == ENOSPC || number == EDQUOT                 ? ErrorKind::limit
                                                                          : ErrorKind::dependency_down;
  return {kind, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(number)),
          "the spool keeps what is sent until the warehouse has it; see spool in docs/EVENTS.md"};
}

Status write_all(int file, std::string_view bytes, uint64_t offset, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(io_error("write", path));
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<size_t>(written);
  }
  return {};
}

Result<std::string> read_at(int file, uint64_t offset, size_t bytes, const std::filesystem::path& path) {
  std::string read(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    ssize_t count = ::pread(file, read.data() + have, bytes - have, static_cast<off_t>(offset + have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(io_error("read", path));
    if (count == 0) break;
    have += static_cast<size_t>(count);
  }
  read.resize(have);
  return read;
}

std::optional<uint64_t> base_of(const std::filesystem::path& file) {
  std::string name = file.filename().string();
  if (name.size() != 16 + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  uint64_t base = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + 16, base, 16);
  if (error != std::errc() || end != name.data() + 16) return std::nullopt;
  return base;
}

}  // namespace

std::filesystem::path Spool::file_of(uint64_t base) const {
  return options_.directory / fmt::format("{:016x}{}", base, suffix);
}

uint64_t Spool::segment_bytes_max() const {
  return std::min(limits::spool_segment_bytes_max, options_.bytes_max / limits::spool_segment_shares);
}

Result<std::unique_ptr<Spool>> Spool::open(Options options) {
  std::unique_ptr<Spool> spool(new Spool(std::move(options)));
  TRY_VOID(spool->prepare());
  spool->writer_ = std::thread([raw = spool.get()] { raw->write(); });
  return spool;
}

Spool::~Spool() {
  close();
  if (active_ >= 0) ::close(active_);
  if (lock_ >= 0) ::close(lock_);
}

void Spool::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
    published_.notify_all();
  }
  if (writer_.joinable()) writer_.join();
}

Status Spool::prepare() {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error)
    return fail(ErrorKind::refused,
                fmt::format("cannot make the spool {}: {}", options_.directory.string(), error.message()),
                "give the project's user the right to write there, or set spool.path of the source");
  TRY_VOID(read_identity());
  TRY_VOID(find_segments());
  if (segments_.empty()) return begin_segment(0);
  return cut_torn_tail();
}

Status Spool::read_identity() {
  std::filesystem::path path = options_.directory / "identity";
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) return fail(io_error("open", path));
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0)
    return fail(ErrorKind::conflict,
                fmt::format("another process works with the spool in {}", options_.directory.string()),
                "end it, or set spool.path of the source: two projects cannot share one");
  constexpr size_t digits = 32;
  identity_ = TRY(read_at(lock_, 0, digits, path));
  if (identity_.size() == digits) return {};
  // New, or a start was interrupted before anything could be written.
  unsigned char random[digits / 2];
  if (getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random))
    return fail(ErrorKind::internal, "the system gives no random bytes");
  identity_.clear();
  for (unsigned char byte : random) identity_ += fmt::format("{:02x}", byte);
  TRY_VOID(write_all(lock_, identity_, 0, path));
  if (::fsync(lock_) != 0) return fail(io_error("sync", path));
  return sync_directory();
}

Status Spool::sync_directory() const {
  int directory = ::open(options_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return fail(io_error("open", options_.directory));
  bool synced = ::fsync(directory) == 0;
  ::close(directory);
  if (!synced) return fail(io_error("sync", options_.directory));
  return {};
}

Status Spool::find_segments() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error))
    if (auto base = base_of(entry.path())) segments_[*base] = entry.file_size(error);
  if (error)
    return fail(ErrorKind::refused,
                fmt::format("cannot read {}: {}", options_.directory.string(), error.message()));
  for (auto segment = segments_.begin(); segment != segments_.end(); ++segment) {
    auto next = std::next(segment);
    if (next != segments_.end() && segment->first + segment->second > next->first)
      return fail(ErrorKind::corrupt,
                  fmt::format("the segments {} and {} of the spool overlap", file_of(segment->first).string(),
                              file_of(next->first).string()),
                  "put back the directory as it was; the later file may be a copy that does not belong here");
  }
  return {};
}

// What was not finished when the process ended. Sound records behind a damaged place were acknowledged: then
// it is no torn tail, and the reader shows it.
Status Spool::cut_torn_tail() {
  auto [base, size] = *segments_.rbegin();
  std::filesystem::path path = file_of(base);
  active_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (active_ < 0) return fail(io_error("open", path));
  std::string bytes = TRY(read_at(active_, 0, size, path));
  std::string_view all(bytes);
  size_t sound = 0;
  while (sound < all.size()) {
    if (auto length = spool_record_at(all.substr(sound), identity_, base + sound)) {
      sound += *length;
      continue;
    }
    auto next = next_spool_record(all.substr(sound), identity_, base + sound);
    if (!next) break;
    sound += *next;
  }
  if (sound < size) {
    log::warn(
        "spool {}: the last {} bytes are no whole record and are cut off: nobody was told that they "
        "arrived",
        options_.directory.string(), size - sound);
    if (::ftruncate(active_, static_cast<off_t>(sound)) != 0) return fail(io_error("shorten", path));
  }
  // What a process that was killed wrote may not be on disk yet, and what is read must be.
  if (::fsync(active_) != 0) return fail(io_error("sync", path));
  segments_[base] = sound;
  durable_ = base + sound;
  return {};
}

Status Spool::begin_segment(uint64_t base) {
  std::filesystem::path path = file_of(base);
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return fail(io_error("make", path));
  if (auto synced = sync_directory(); !synced) {
    ::close(file);
    ::unlink(path.c_str());
    return synced;
  }
  if (active_ >= 0) ::close(active_);
  active_ = file;
  std::lock_guard lock(mutex_);
  segments_[base] = 0;
  return {};
}

Status Spool::append(std::string payload, Done done) {
  INVARIANT(payload.size() <= limits::spool_record_bytes_max);
  size_t bytes = payload.size() + spool_header_bytes;
  std::lock_guard lock(mutex_);
  if (closed_) return fail(ErrorKind::cancelled, "nothing is taken any more: the program ends");
  if (!broken_.empty()) return fail(ErrorKind::dependency_down, broken_, "start the program again");
  uint64_t used = pending_bytes_ + bytes;
  for (const auto& [base, size] : segments_) used += size;
  if (used > options_.bytes_max)
    return fail(ErrorKind::limit, "the spool is full: the warehouse has not taken what lies there",
                "send it again later");
  if (pending_bytes_ + bytes > limits::spool_pending_bytes_max)
    return fail(ErrorKind::limit, "the disk is slower than what is sent", "send it again later");
  pending_bytes_ += bytes;
  pending_.push_back({std::move(payload), std::move(done)});
  changed_.notify_one();
  return {};
}

void Spool::write() {
  while (true) {
    std::deque<Pending> batch;
    bool seal = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closed_ || seal_ || !pending_.empty(); });
      if (pending_.empty() && !seal_) return;
      batch.swap(pending_);
      seal = std::exchange(seal_, false);
    }
    // It is asked for again when it fails; the file goes with the next one.
    if (seal)
      if (auto begun = begin_next_segment(); !begun)
        log::warn("spool {}: {}", options_.directory.string(), begun.error().message);
    if (batch.empty()) continue;
    Status written = write_batch(batch);
    size_t bytes = 0;
    for (const auto& one : batch) bytes += one.payload.size() + spool_header_bytes;
    {
      std::lock_guard lock(mutex_);
      pending_bytes_ -= bytes;
      if (written) {
        segments_.rbegin()->second += bytes;
        durable_ = segments_.rbegin()->first + segments_.rbegin()->second;
        records_ += batch.size();
        ++syncs_;
      }
      published_.notify_all();
    }
    for (auto& one : batch) one.done(written);
  }
}

void Spool::seal() {
  std::lock_guard lock(mutex_);
  if (closed_ || !broken_.empty()) return;
  seal_ = true;
  changed_.notify_one();
}

Status Spool::begin_next_segment() {
  std::pair<uint64_t, uint64_t> last;
  {
    std::lock_guard lock(mutex_);
    if (!broken_.empty()) return {};
    last = *segments_.rbegin();
  }
  return last.second == 0 ? Status() : begin_segment(last.first + last.second);
}

Status Spool::write_batch(const std::deque<Pending>& batch) {
  uint64_t base = 0;
  uint64_t size = 0;
  {
    std::lock_guard lock(mutex_);
    if (!broken_.empty()) return fail(ErrorKind::dependency_down, broken_, "start the program again");
    base = segments_.rbegin()->first;
    size = segments_.rbegin()->second;
  }
  if (size >= segment_bytes_max()) {
    TRY_VOID(begin_segment(base + size));
    base += size;
    size = 0;
  }
  std::string bytes;
  for (const auto& one : batch)
    append_spool_record(bytes, identity_, base + size + bytes.size(), one.payload);
  std::filesystem::path path = file_of(base);
  Status written = write_all(active_, bytes, size, path);
  if (written && ::fdatasync(active_) == 0) return {};
  bool of_sync = written.has_value();
  Error error = of_sync ? io_error("sync", path) : std::move(written.error());
  // What was half written must not stand before what comes next.
  if (::ftruncate(active_, static_cast<off_t>(size)) != 0 || of_sync) {
    std::lock_guard lock(mutex_);
    broken_ = error.message;
    log::error("spool {}: {}; nothing is taken any more until the next start", options_.directory.string(),
               error.message);
  }
  return fail(std::move(error));
}

uint64_t Spool::first() const {
  std::lock_guard lock(mutex_);
  return segments_.begin()->first;
}

void Spool::wait(uint64_t position, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  published_.wait_for(lock, timeout, [&] { return woken_ || durable_ > position; });
  woken_ = false;
}

void Spool::wake() {
  std::lock_guard lock(mutex_);
  woken_ = true;
  published_.notify_all();
}

void Spool::release(uint64_t position) {
  std::vector<uint64_t> gone;
  {
    std::lock_guard lock(mutex_);
    while (segments_.size() > 1 && std::next(segments_.begin())->first <= position) {
      gone.push_back(segments_.begin()->first);
      segments_.erase(segments_.begin());
    }
  }
  for (uint64_t base : gone)
    if (::unlink(file_of(base).c_str()) != 0 && errno != ENOENT)
      log::warn("spool {}: {} could not be deleted: {}", options_.directory.string(), file_of(base).string(),
                std::strerror(errno));
}

SpoolStatus Spool::status() const {
  std::lock_guard lock(mutex_);
  SpoolStatus status{.bytes_max = options_.bytes_max,
                     .first = segments_.begin()->first,
                     .end = durable_,
                     .records = records_,
                     .syncs = syncs_,
                     .error = broken_};
  for (const auto& [base, size] : segments_) status.bytes += size;
  return status;
}

std::optional<Spool::Segment> Spool::segment_at(uint64_t position) const {
  std::lock_guard lock(mutex_);
  auto after = segments_.upper_bound(position);
  if (after == segments_.begin()) return std::nullopt;
  auto segment = std::prev(after);
  return Segment{segment->first, segment->first + segment->second};
}

uint64_t Spool::segment_after(uint64_t position) const {
  std::lock_guard lock(mutex_);
  auto after = segments_.upper_bound(position);
  INVARIANT(after != segments_.end());
  return after->first;
}

SpoolReader::~SpoolReader() {
  if (file_ >= 0) ::close(file_);
}

Status SpoolReader::open(const Spool::Segment& segment) {
  if (file_ >= 0 && base_ == segment.base) return {};
  if (file_ >= 0) ::close(file_);
  std::filesystem::path path = spool_.file_of(segment.base);
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) return fail(io_error("open", path));
  base_ = segment.base;
  buffer_.clear();
  return {};
}

Result<std::string_view> SpoolReader::view(const Spool::Segment& segment, size_t bytes) {
  bytes = std::min<uint64_t>(bytes, segment.end - position_);
  if (position_ < buffer_begin_ || position_ + bytes > buffer_begin_ + buffer_.size()) {
    size_t wanted = std::min<uint64_t>(std::max(bytes, limits::spool_read_bytes), segment.end - position_);
    buffer_ = TRY(read_at(file_, position_ - base_, wanted, spool_.file_of(base_)));
    buffer_begin_ = position_;
  }
  return std::string_view(buffer_).substr(position_ - buffer_begin_);
}

// Where sound records go on. A segment's end is one: nothing crosses it.
Result<uint64_t> SpoolReader::end_of_damage(const Spool::Segment& segment) {
  std::string rest = TRY(read_at(file_, position_ - base_, segment.end - position_, spool_.file_of(base_)));
  auto next = next_spool_record(rest, spool_.identity_, position_);
  return next ? position_ + *next : segment.end;
}

Result<std::optional<SpoolReader::Item>> SpoolReader::next() {
  uint64_t end = spool_.end();
  if (position_ >= end) return std::nullopt;
  auto segment = spool_.segment_at(position_);
  if (!segment || position_ >= segment->end) {
    // A hole: a segment is gone, or is shorter than it was.
    Item item{.begin = position_, .end = spool_.segment_after(position_), .damaged = true};
    position_ = item.end;
    return item;
  }
  TRY_VOID(open(*segment));
  if (position_ >= sound_at_) {
    std::string_view bytes = TRY(view(*segment, spool_header_bytes));
    if (bytes.size() >= spool_header_bytes) {
      uint32_t length = 0;
      std::memcpy(&length, bytes.data() + 4, sizeof length);
      if (length <= limits::spool_record_bytes_max) bytes = TRY(view(*segment, spool_header_bytes + length));
    }
    if (auto length = spool_record_at(bytes, spool_.identity_, position_)) {
      Item item{.begin = position_,
                .end = position_ + *length,
                .bytes = bytes.substr(spool_header_bytes, *length - spool_header_bytes)};
      position_ = item.end;
      return item;
    }
    sound_at_ = TRY(end_of_damage(*segment));
  }
  size_t length = std::min<uint64_t>(sound_at_ - position_, limits::spool_damage_bytes_max);
  std::string_view bytes = TRY(view(*segment, length));
  Item item{.begin = position_, .end = position_ + length, .damaged = true, .bytes = bytes.substr(0, length)};
  position_ = item.end;
  return item;
}

}  // namespace tidemark::ingest
