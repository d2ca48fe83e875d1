{
  description = "Turns a NixOS system closure that is already built into something that boots";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      eachSystem = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    in
    {
      packages = eachSystem (pkgs: rec {
        calve = pkgs.rustPlatform.buildRustPackage {
          pname = "calve";
          version = (fromTOML (builtins.readFile ./Cargo.toml)).workspace.package.version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [ "--package=calve" ];
          # The sandbox has no QEMU and no outside oracles; `cargo xtask test` runs those.
          cargoTestFlags = [
            "--package=calve-image-core"
            "--lib"
          ];
          meta = {
            description = "Turns a built NixOS system into something that boots";
            license = with pkgs.lib.licenses; [
              mit
              asl20
            ];
            mainProgram = "calve";
          };
        };
        default = calve;
      });

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${pkgs.stdenv.hostPlatform.system}.calve ];
          packages = with pkgs; [
            cargo-nextest
            clippy
            rustfmt
            # The oracles of the tests.
            cpio
            cryptsetup
            dosfstools
            e2fsprogs
            gptfdisk
            mtools
            openssh
            qemu
          ];
        };
      });
    };
}
