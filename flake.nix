{
  description = "sloth: one YAML file, one highly available Kubernetes cluster";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      python = pkgs: pkgs.python312;
      needs = ps: [ ps.typer ps.rich ps.paramiko ps.jsonschema ps.pyyaml ps.cryptography ps.pulumi ps.httpx2 ps.msgspec ps.wsproto ps.protobuf ];
    in
    {
      packages = each (pkgs: {
        default = (python pkgs).pkgs.buildPythonApplication {
          pname = "sloth-kubernetes";
          version = "0.1.0";
          pyproject = true;
          src = self;
          build-system = [ (python pkgs).pkgs.hatchling ];
          dependencies = needs (python pkgs).pkgs;
          # nixpkgs moves at its own pace; the wheel's pins are checked by the project's own lock file.
          pythonRelaxDeps = true;
          pythonImportsCheck = [ "sloth" "sloth.registry" ];
        };
      });

      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            ((python pkgs).withPackages (ps: needs ps ++ [ ps.pytest ps.hypothesis ps.mypy ]))
            pkgs.ruff
            pkgs.uv
            pkgs.go
            pkgs.docker-client
            pkgs.kubectl
            pkgs.pulumi
          ];
        };
      });
    };
}
