// Notifications as lines of JSON at the end of a file: {"type", "timestamp", "id", "data"}. On disk (fsync)
// before they count as delivered. A line that a crash cut short is removed when the file is opened, its
// notification comes again. The file may be moved away (logrotate): a new one is begun.
//
// One carrier a file, and no other program may append to it.
#pragma once

#include "notify/carrier.h"

#include <filesystem>

namespace tidemark::notify {

class FileCarrier : public Carrier {
 public:
  FileCarrier(std::string destination, std::filesystem::path file);
  ~FileCarrier() override;
  Outcome carry(const std::vector<Notification>& notifications) override;

 private:
  Status open();
  Status append(const std::string& text);
  void close();

  std::string destination_;
  std::filesystem::path file_;
  int descriptor_ = -1;
};

}  // namespace tidemark::notify
