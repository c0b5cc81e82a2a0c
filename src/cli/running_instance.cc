#include "cli/running_instance.h"

#include <boost/json.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <signal.h>
#include <sstream>
#include <sys/random.h>
#include <unistd.h>

namespace tidemark::cli {

std::filesystem::path running_instance_file(const std::filesystem::path& project_directory) {
  return project_directory / ".tidemark" / "up.json";
}

Result<std::string> random_token() {
  unsigned char bytes[32];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes))
    return fail(ErrorKind::internal, "the system gives no random bytes");
  std::string token;
  for (unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

Status write_running_instance(const std::filesystem::path& project_directory,
                              const RunningInstance& running) {
  std::string text = boost::json::serialize(boost::json::object{
                         {"pid", getpid()}, {"url", running.url}, {"token", running.token}}) +
                     "\n";
  auto path = running_instance_file(project_directory);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);  // its mode must be ours from the first byte
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool written = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) close(fd);
  if (!written)
    return fail(
        ErrorKind::refused, fmt::format("cannot write {}", path.string()),
        "the project's directory must be writable: other verbs find the running project by that file");
  return {};
}

Result<std::string> running_url(const std::filesystem::path& project_directory) {
  return TRY(running_instance(project_directory)).url;
}

Result<RunningInstance> running_instance(const std::filesystem::path& project_directory) {
  auto down = fail(ErrorKind::dependency_down,
                   fmt::format("the project in {} is not running", project_directory.string()),
                   "start it with: tidemark up");
  std::ifstream file(running_instance_file(project_directory));
  std::stringstream text;
  text << file.rdbuf();
  boost::system::error_code error;
  auto value = boost::json::parse(text.str(), error);
  if (error || !value.is_object()) return down;
  const auto& object = value.as_object();
  if (!object.contains("pid") || !object.contains("url")) return down;
  // The file of a killed instance stays behind; its process does not.
  if (kill(static_cast<pid_t>(object.at("pid").as_int64()), 0) != 0) return down;
  RunningInstance running{.url = std::string(object.at("url").as_string())};
  if (const auto* token = object.if_contains("token")) running.token = token->as_string();
  return running;
}

}  // namespace tidemark::cli
