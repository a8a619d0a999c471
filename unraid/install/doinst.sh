mkdir -p usr/local/bin
( cd usr/local/bin ; rm -rf vfio-watch )
( cd usr/local/bin ; ln -sf ../vfio-watch/bin/vfio-watch vfio-watch )
