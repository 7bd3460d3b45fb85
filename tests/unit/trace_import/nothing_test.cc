// Inputs with nothing in them that a replay could do, of every format.
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <string>

#include "../trace/history.h"
#include "base/error.h"
#include "drmemtrace_writer.h"
#include "import_with.h"

namespace mmusim::trace {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Importers, RefuseWhatHoldsNothing) {
  const std::map<std::string, std::string> inputs = {
      {"champsim", std::string(640, '\0')},
      {"dinero", "nonsense\n"},
      {"drmemtrace", drmemtrace::File::of(7, 7).time(1).exit(7).footer().text},
      {"lackey",
       "==7== Lackey, an example Valgrind tool\n==7== Command: ./a\n==7== Parent PID: 1\n"
       "==7== \n"},
      {"perf", "nonsense\n"},
      {"text", "# a comment\nnonsense\n"}};
  ImportOptions lenient;
  lenient.strict = false;
  for (const Importer& importer : importers()) {
    SCOPED_TRACE(importer.name);
    const testing::TemporaryFile input("in");
    testing::write_file(input.path(), inputs.at(importer.name));
    const std::string output = input.directory() + "/out.mmt";
    testing::write_file(output, "before");
    try {
      import_with(importer.name, {input.path()}, output, {}, lenient);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::StartsWith(input.path() + ": "));
    }
    EXPECT_EQ(content_of(output), "before");
    EXPECT_FALSE(std::filesystem::exists(output + ".partial"));
  }
}

}  // namespace
}  // namespace mmusim::trace
