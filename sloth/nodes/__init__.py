"""What is done to nodes through the Kubernetes API, as steps on a control-plane node: cordon, drain, take out. Pure."""
