# SPDX-License-Identifier: MIT
#
# ckpt_add_plugin(NAME SOURCES file... [PACKAGES package...]
#                 [LATER file... LATER_PACKAGES package...])
#
# All that the CMakeLists.txt of a plugin's folder holds. The packages are
# those of pkg-config that the plugin, and nothing else, links with. LATER: what
# the plugin itself loads, and only when a file asks for it; see
# sdk/support/module.h. A source may be in both lists. It makes
#   NAME            the module NAME.so, in lib/ckpt/plugins of the build tree
#   NAME-later      the module later/NAME.so beside it
#   NAME.plugin     its description, by which the hub tells whether to load it
#   NAME.md         its manual, which `ckpt plugins NAME` shows
#   NAME-static     the same, to be linked into test programs
#                   (CKPT_STATIC; in builds for fuzzing CKPT_FUZZED)
#   fuzz-NAME       a fuzz target for its readers, seeded from fuzz/ and cases/,
#                   or for its transforms, seeded from fuzz/
#   and one test for each cases/*.case.

find_package(PkgConfig REQUIRED)

if(CKPT_FUZZ)
    add_custom_target(fuzz-all)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# A shared object in `folder` of the plugins, here and where it is installed.
function(ckpt_add_module target file folder)
    set(place ckpt/plugins${folder})
    add_library(${target} MODULE ${ARGN})
    set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${file}
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/${place})
    install(TARGETS ${target}
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/${place})
endfunction()

function(ckpt_add_plugin NAME)
    cmake_parse_arguments(ARG "" "" "SOURCES;PACKAGES;LATER;LATER_PACKAGES"
                          ${ARGN})
    foreach(package ${ARG_PACKAGES} ${ARG_LATER_PACKAGES})
        pkg_check_modules(${package} REQUIRED IMPORTED_TARGET ${package})
    endforeach()
    list(TRANSFORM ARG_PACKAGES PREPEND PkgConfig::)
    list(TRANSFORM ARG_LATER_PACKAGES PREPEND PkgConfig::)
    set(libraries ckpt-sdk ckpt-support)
    string(REPLACE "-" "_" symbol ${NAME})
    set_property(GLOBAL APPEND PROPERTY CKPT_PLUGINS ${NAME})
    set(plugin_dir ${PROJECT_BINARY_DIR}/lib/ckpt/plugins)

    ckpt_add_module(${NAME} ${NAME} "" ${ARG_SOURCES})
    target_link_libraries(${NAME} PRIVATE ${libraries} ${ARG_PACKAGES})
    if(ARG_LATER)
        ckpt_add_module(${NAME}-later ${NAME} /later ${ARG_LATER})
        target_link_libraries(${NAME}-later PRIVATE ${libraries}
                              ${ARG_LATER_PACKAGES})
        add_dependencies(${NAME} ${NAME}-later)
        set_property(GLOBAL APPEND PROPERTY CKPT_LATER ${NAME}-later)
    endif()
    add_custom_command(TARGET ${NAME} POST_BUILD
        COMMAND ckpt-describe-plugin $<TARGET_FILE:${NAME}>
                ${plugin_dir}/${NAME}.plugin
        BYPRODUCTS ${plugin_dir}/${NAME}.plugin
        VERBATIM)
    add_dependencies(${NAME} ckpt-describe-plugin)
    install(FILES ${plugin_dir}/${NAME}.plugin
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/ckpt/plugins)

    set(sources ${ARG_SOURCES} ${ARG_LATER})
    list(REMOVE_DUPLICATES sources)
    set(manual ${CMAKE_CURRENT_SOURCE_DIR}/${NAME}.md)
    if(EXISTS ${manual})
        configure_file(${manual} ${plugin_dir}/${NAME}.md COPYONLY)
        install(FILES ${manual}
                DESTINATION ${CMAKE_INSTALL_LIBDIR}/ckpt/plugins)
    endif()

    add_library(${NAME}-static STATIC EXCLUDE_FROM_ALL ${sources})
    target_compile_definitions(${NAME}-static PRIVATE CKPT_STATIC)
    target_link_libraries(${NAME}-static PUBLIC ${libraries} ${ARG_PACKAGES}
                          ${ARG_LATER_PACKAGES})

    ckpt_add_cases(${CMAKE_CURRENT_SOURCE_DIR})
    if(CKPT_TESTS)
        add_test(NAME plugin.${NAME}
                 COMMAND ${PROJECT_SOURCE_DIR}/sdk/check/run
                         $<TARGET_FILE:ckpt-check-plugin>
                         $<TARGET_FILE:${NAME}> ${CMAKE_CURRENT_SOURCE_DIR}
                         ${PROJECT_BINARY_DIR}/check/${NAME})
    endif()
    if(CKPT_FUZZ)
        target_compile_definitions(${NAME}-static PRIVATE CKPT_FUZZED)
        ckpt_add_fuzz_target(${NAME} ${symbol})
    endif()
endfunction()

# One test for each cases/*.case of a folder; the runner is tests/cli/run-case.
function(ckpt_add_cases folder)
    if(NOT CKPT_TESTS)
        return()
    endif()
    file(GLOB cases CONFIGURE_DEPENDS ${folder}/cases/*.case)
    get_filename_component(room ${folder} NAME)
    foreach(case ${cases})
        get_filename_component(name ${case} NAME_WE)
        add_test(NAME case.${room}.${name}
                 COMMAND ${PROJECT_SOURCE_DIR}/tests/cli/run-case
                         $<TARGET_FILE:ckpt> ${case})
    endforeach()
endfunction()

# A libFuzzer target over the static twin, and the test that runs it; see
# tests/fuzz.
function(ckpt_add_fuzz_target NAME symbol)
    set(target fuzz-${NAME})
    set(harness fuzz_reader.c)
    if(CMAKE_CURRENT_SOURCE_DIR MATCHES "/transforms/")
        set(harness fuzz_transform.c)
    endif()
    add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/fuzz/${harness})
    target_compile_definitions(${target} PRIVATE
                               FUZZ_PLUGIN=ckpt_plugin_${symbol})
    target_link_libraries(${target} PRIVATE ${NAME}-static hub-static
                          -fsanitize=fuzzer)
    # The support code comes last and calls the libraries before it.
    target_link_options(${target} PRIVATE LINKER:--no-as-needed)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
    add_dependencies(fuzz-all ${target})
    add_test(NAME fuzz.${NAME}
             COMMAND ${PROJECT_SOURCE_DIR}/tests/fuzz/run
                     $<TARGET_FILE:${target}> ${CMAKE_CURRENT_SOURCE_DIR}
                     ${PROJECT_BINARY_DIR}/fuzz/${NAME})
endfunction()
