// What an import says of the files its logs name.
#include "record/imported_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "symbols/identity.h"
#include "trace/file_identity.h"

namespace mmusim::record {
namespace imported_files_test {

namespace fs = std::filesystem;

trace::MmapEvent code_of(const std::string& file) {
  trace::MmapEvent event;
  event.length = 4096;
  event.prot = 5;
  event.flags = 2;
  event.fd = 3;
  event.result = 0x400000;
  event.file = file;
  return event;
}

// A folder with a copy of this program in it, and a log that was written now.
class Imported : public testing::Test {
 protected:
  Imported() : root_(testing::TempDir() + "imported_" + std::to_string(getpid())) {
    fs::create_directories(root_ / "bin");
    fs::copy_file("/proc/self/exe", root_ / "bin/program");
    identity_ = symbols::identity_of("/proc/self/exe").value_or("");
    std::ofstream(log()) << "a log\n";
    set_time(log(), 0);
    set_time(root_ / "bin/program", -1);
  }
  ~Imported() override { fs::remove_all(root_); }

  [[nodiscard]] std::string log() const { return root_ / "log"; }
  void set_time(const fs::path& file, int hours) const {
    fs::last_write_time(file, start_ + std::chrono::hours(hours));
  }

  fs::path root_;
  fs::file_time_type start_ = fs::file_time_type::clock::now();
  std::string identity_;
};

TEST_F(Imported, ThoseOfTheFolderAreToldOnce) {
  ImportedFiles files(root_.string(), {log()});
  const trace::MarkerEvent expected = trace::marker_of({"/bin/program", identity_});
  EXPECT_EQ(files.told_behind(code_of("/bin/program")), std::vector{expected});
  EXPECT_TRUE(files.told_behind(code_of("/bin/program")).empty());
  EXPECT_TRUE(files.warnings().empty());
}

TEST_F(Imported, WhatIsMissingOrLaterIsSaidAndNotTold) {
  ImportedFiles missing(root_.string(), {log()});
  EXPECT_TRUE(missing.told_behind(code_of("/bin/none")).empty());
  std::ofstream(root_ / "bin/script") << "#!/bin/sh\n";
  EXPECT_TRUE(missing.told_behind(code_of("/bin/script")).empty());
  ASSERT_EQ(missing.warnings().size(), 1u);
  EXPECT_NE(missing.warnings()[0].find("2 files mapped as code"), std::string::npos);

  set_time(root_ / "bin/program", 1);
  ImportedFiles later(root_.string(), {log()});
  EXPECT_TRUE(later.told_behind(code_of("/bin/program")).empty());
  ASSERT_EQ(later.warnings().size(), 1u);
  EXPECT_NE(later.warnings()[0].find("changed after the logs"), std::string::npos);
}

// Here a file's last change counts: its time of modification may be that of its making.
TEST_F(Imported, HereAFileChangedLaterIsNotTold) {
  const std::string program = root_ / "bin/program";
  set_time(log(), -2);
  set_time(program, -3);
  ImportedFiles here("/", {log()});
  EXPECT_TRUE(here.told_behind(code_of(program)).empty());
  EXPECT_EQ(here.warnings().size(), 1u);
  set_time(log(), 2);
  ImportedFiles after("/", {log()});
  EXPECT_EQ(after.told_behind(code_of(program)).size(), 1u);
}

TEST_F(Imported, WhereNobodySaysItIsSaidUnlessTheLogTells) {
  ImportedFiles files(std::nullopt, {log()});
  EXPECT_TRUE(files.told_behind(code_of("/bin/program")).empty());
  trace::MmapEvent data = code_of("/lib/data");
  data.prot = 1;
  EXPECT_TRUE(files.told_behind(data).empty());
  EXPECT_EQ(files.known_by_path(), 1u);
  EXPECT_TRUE(files.told_behind(trace::marker_of({"/bin/program", "build-id:12"})).empty());
  EXPECT_EQ(files.known_by_path(), 0u);
}

// What is mapped of this program, of which a function is where its code is.
TEST_F(Imported, TheirImages) {
  ImportedFiles files(root_.string(), {log()});
  const auto image = files.image_of("/bin/program");
  ASSERT_TRUE(image);
  EXPECT_FALSE(image->interpreter.empty());
  const auto code = std::find_if(image->segments.begin(), image->segments.end(),
                                 [](const auto& segment) { return (segment.prot & 4) != 0; });
  ASSERT_NE(code, image->segments.end());
  EXPECT_GE(image->entry, code->address);
  EXPECT_LT(image->entry, code->address + code->bytes);
  EXPECT_FALSE(files.image_of("bin/program"));
  EXPECT_FALSE(files.image_of("/bin/none"));
  EXPECT_FALSE(files.image_of("/log"));
  EXPECT_EQ(files.warnings().size(), 1u);  // of two that are missing
  // Another one by now.
  set_time(root_ / "bin/program", 1);
  ImportedFiles later(root_.string(), {log()});
  EXPECT_FALSE(later.image_of("/bin/program"));
  EXPECT_FALSE(ImportedFiles(std::nullopt, {log()}).image_of("/bin/program"));
}

// Programs that are cut off anywhere, or whose headers say what cannot be.
TEST_F(Imported, ImagesOfDamagedFiles) {
  std::ifstream in("/proc/self/exe", std::ios::binary);
  std::string head(2048, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  const fs::path file = root_ / "damaged";
  const auto look = [&](const std::string& content) {
    std::ofstream(file, std::ios::binary) << content;
    return symbols::image_of(file.string());
  };
  ASSERT_TRUE(look(head));
  for (size_t bytes = 0; bytes < 1024; bytes += 24)
    static_cast<void>(look(head.substr(0, bytes)));
  for (size_t at = 4; at < 1024; at += 3) {
    std::string damaged = head;
    damaged[at] = static_cast<char>(~damaged[at]);
    if (const auto image = look(damaged); image)
      for (const auto& segment : image->segments) {
        EXPECT_LE(segment.file_bytes, segment.bytes);
        EXPECT_GE(segment.address + segment.bytes, segment.address);
      }
  }
}

}  // namespace imported_files_test
}  // namespace mmusim::record
