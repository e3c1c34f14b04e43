"""Where manifests come from: files, folders, stdin, web addresses, kustomize folders and Helm charts, as named texts."""
