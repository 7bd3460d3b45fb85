// Where machine and experiment files are: configs/<kind>/NAME.cfg below the current folder, the
// installation's share/mmusim (found from where the program is), and the source tree it was built
// from, in this order.
#ifndef MMUSIM_CLI_CONFIG_FILES_H_
#define MMUSIM_CLI_CONFIG_FILES_H_

#include <string>
#include <vector>

namespace mmusim::cli {

struct ConfigFile {
  std::string name;  // without folder and ending
  std::string path;
  std::string summary;  // its first comment line
};

// All files of a kind ("machines", "experiments"), by name; of equal names the first found.
// `ending`: with its dot.
std::vector<ConfigFile> config_files(const std::string& kind, const std::string& ending = ".cfg");

// The path of the file that `name_or_path` means: a path if it holds a / or ends in .cfg or .sweep,
// else a name, of a .cfg unless `endings` has others. Errors: UsageError naming `option`, with the
// nearest known name.
std::string find_config_file(const std::string& kind, const std::string& name_or_path,
                             const std::string& option,
                             const std::vector<std::string>& endings = {".cfg"});

// `path` as it is if it exists, else below each of `folder`, the installation and the source tree;
// as it is if it is nowhere.
std::string find_data_file(const std::string& path, const std::string& folder);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_CONFIG_FILES_H_
