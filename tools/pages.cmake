# Has the program PANPIPE print its manual pages and completions into the folder OUT.
function(print file)
  execute_process(COMMAND ${PANPIPE} help ${ARGN}
    OUTPUT_FILE ${OUT}/${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT}/man ${OUT}/bash ${OUT}/zsh ${OUT}/fish)
print(man/panpipe.1 --man)
file(STRINGS ${OUT}/man/panpipe.1 lines REGEX "^\\.BR panpipe.-[a-z]+ \\(1\\)$")
foreach(line ${lines})
  string(REGEX REPLACE "^\\.BR panpipe.-([a-z]+) .*" "\\1" command ${line})
  print(man/panpipe-${command}.1 --man ${command})
endforeach()
print(bash/panpipe --completion bash)
print(zsh/_panpipe --completion zsh)
print(fish/panpipe.fish --completion fish)
