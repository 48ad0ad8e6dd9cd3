# embed.cmake - writes OUTPUT, a C++ file that holds the text files of TEMPLATES under their relative names.
# Run as: cmake -DTEMPLATES=DIR -DFILES=a;b -DOUTPUT=FILE -P embed.cmake
set(entries "")
foreach(file IN LISTS FILES)
  file(READ "${TEMPLATES}/${file}" text)
  string(FIND "${text}" ")agentvm\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${file} holds the end of a raw string")
  endif()
  string(APPEND entries "      {\"${file}\", R\"agentvm(${text})agentvm\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "// Made by embed.cmake from templates/.
#include \"vmspec/embedded.hpp\"


namespace agentvm::vmspec {

const std::map<std::string, std::string, std::less<>>& embedded_templates() {
  static const std::map<std::string, std::string, std::less<>> texts = {
${entries}  };
  return texts;
}

}  // namespace agentvm::vmspec
")
