#include "cli/project_lock.h"

#include "base/log.h"
#include "cli/running_instance.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace tidemark::cli {

Result<int> lock_project(const std::filesystem::path& project) {
  std::filesystem::path directory = running_instance_file(project).parent_path();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    return fail(ErrorKind::refused, fmt::format("cannot write to {}: {}", project.string(), error.message()),
                "the project's directory must be writable: it holds .tidemark and, by default, data");
  int file = open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0) {
    std::string own = std::to_string(getpid());
    if (ftruncate(file, 0) != 0 || pwrite(file, own.data(), own.size(), 0) < 0)
      log::warn("the process number could not be written into {}/.tidemark/lock", project.string());
    return file;
  }
  char text[32] = {};
  ssize_t length = file >= 0 ? pread(file, text, sizeof text - 1, 0) : 0;
  if (file >= 0) close(file);
  return fail(ErrorKind::conflict,
              fmt::format("the project in {} is running already{}", project.string(),
                          length > 0 ? fmt::format(" (process {})", text) : ""),
              "see it with: tidemark status; end it before starting another");
}

}  // namespace tidemark::cli
